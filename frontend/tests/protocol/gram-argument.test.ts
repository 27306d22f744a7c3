import { describe, expect, test } from "vitest";

import { fromHex, toHex } from "../../src/protocol/bytes";
import { decodeGramProof, gramChallenges, verifyGram } from "../../src/protocol/gram-argument";
import { encodeStatement } from "../../src/protocol/statement";
import { gramStatement, PROOFS, provingKey } from "./vectors";

const KEY = provingKey();

describe("proofs.json", () => {
  test.each(PROOFS)("$name: the statement's bytes and every challenge", (vector) => {
    const message = encodeStatement(gramStatement(vector), KEY.digest);
    expect(toHex(message)).toBe(`0x${vector.message}`);
    const found = gramChallenges(message, decodeGramProof(fromHex(vector.proof)), vector.commitments.length);
    expect(toHex(found.state)).toBe(`0x${vector.state}`);
    expect(found.lambdas.map(String)).toEqual(vector.lambdas);
    expect(found.z).toBe(BigInt(vector.z));
    expect(found.gamma).toBe(BigInt(vector.gamma));
  });

  test.each(PROOFS)("$name: the proof is accepted", (vector) => {
    expect(() => verifyGram(KEY, gramStatement(vector), fromHex(vector.proof))).not.toThrow();
  });
});
