// Compiles as long as it is asked: one standard-JSON input a line in, one output a line out. Loading solc takes a second.
const path = require("path");
const readline = require("readline");
const solc = require(path.join(process.argv[2], "solc"));

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(solc.compile(line).replace(/\n/g, " ") + "\n");
});
