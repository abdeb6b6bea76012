// The program by itself: what the others are compared with.
export const format = undefined;

export const load = async () => ({
  start: () => undefined,
  rotate: async () => undefined,
  stop: async () => undefined,
});
