import { describe, expect, test } from "vitest";

import { CHECKS, type Progress } from "../../src/protocol/evidence";
import { verifySettlement } from "../../src/protocol/verify";
import { EVIDENCE } from "./evidence";

describe("an honest settlement", () => {
  test.each(EVIDENCE)("$name: every check holds", async (evidence) => {
    const told: Progress[] = [];
    const checks = await verifySettlement(evidence, (progress) => told.push(progress));
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(checks.map(({ name }) => name)).toEqual(CHECKS);
    expect(told.map(({ check }) => check)).toEqual(checks);
    expect(told.map(({ done, total }) => [done, total])).toEqual(CHECKS.map((_, i) => [i + 1, CHECKS.length]));
  });
});
