// Work for the garbage collector: objects, strings and maps, most of which die at once and some of which live for a while.
const ROUNDS = 500;
const ROUNDS_QUICK = 60;
const KEPT = 200;

function allocate(round) {
  const list = [];
  for (let index = 0; index < 2_000; index++) list.push({ index, text: `number ${round} ${index}`, pair: [index, round] });
  const byText = new Map(list.map((each) => [each.text, each]));
  const counted = {};
  for (const { text } of list) counted[text.slice(-2)] = (counted[text.slice(-2)] ?? 0) + 1;
  return { byText, counted, json: JSON.stringify(list.slice(0, 100)) };
}

export async function prepare({ quick }) {
  const rounds = quick ? ROUNDS_QUICK : ROUNDS;
  const kept = Array.from({ length: KEPT });
  return {
    async run() {
      for (let round = 0; round < rounds; round++) {
        kept[round % KEPT] = allocate(round);
        // As a program that handles one request after another.
        if (round % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      return rounds;
    },
  };
}
