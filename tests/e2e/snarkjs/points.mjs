// Prints points of a .ptau file as decimals, read by snarkjs' own libraries: node points.mjs FILE COUNT
import { readFileSync } from "node:fs";

import { readBinFile } from "@iden3/binfileutils";
import { getCurveFromName } from "ffjavascript";

const [path, count] = process.argv.slice(2);
const curve = await getCurveFromName("bn128", { singleThread: true });
const { fd, sections } = await readBinFile(path, "ptau", 1);
const data = readFileSync(path);

function points(group, section, first, length) {
  const bytes = group.F.n8 * 2;
  return Array.from({ length }, (_, index) => {
    const start = sections[section][0].p + (first + index) * bytes;
    return group.toObject(group.fromRprLEM(data.subarray(start, start + bytes), 0));
  });
}

const found = {
  tauG1: points(curve.G1, 2, 0, Number(count)),
  tauG2: points(curve.G2, 3, 1, 2),
  alphaTauG1: points(curve.G1, 4, 0, 3),
};
await fd.close();
await curve.terminate();
console.log(JSON.stringify(found, (_, value) => (typeof value === "bigint" ? value.toString() : value)));
