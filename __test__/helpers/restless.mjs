const word = new Int32Array(new SharedArrayBuffer(4));

/**
 * Computes for long, and then stands still again and again for a while: of such a thread the ticker asks how long it has waited for a processor. `burn` computes for so many
 * milliseconds.
 */
export function restless(burn) {
  burn(300);
  for (let round = 0; round < 8; round++) {
    burn(40);
    Atomics.wait(word, 0, 0, 20);
  }
}
