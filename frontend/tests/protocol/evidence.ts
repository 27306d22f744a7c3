/** Proven settlements as an index serves them; make_evidence.py makes them. */

import content from "./evidence.json";

export const EVIDENCE = content.cases;
export type Case = (typeof EVIDENCE)[number];

/** The case of a name. */
export function evidenceOf(name: string): Case {
  const found = EVIDENCE.find((evidence) => evidence.name === name);
  if (found === undefined) throw new Error(`evidence.json has no case "${name}"`);
  return found;
}
