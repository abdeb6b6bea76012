/**
 * `node --import pronghorn/register app.js`: profiles the whole program.
 */
export {};
