// A time that stands still until a test moves it, for what waits: timers come in the order of their times, and promises get their turn between them.

/** Lets all promise reactions run. */
export const settle = async () => {
  for (let round = 0; round < 20; round++) await Promise.resolve();
};

export function fakeTime() {
  let now = 0;
  let number = 0;
  let timers = [];
  const fake = {
    /** What random() gives. */
    chance: 0,
    /** Whether this is the process that it began in. */
    own: true,
    now: () => now,
    random: () => fake.chance,
    inOwnProcess: () => fake.own,
    after(ms, act) {
      const timer = { at: now + ms, number: number++, act };
      timers.push(timer);
      return () => (timers = timers.filter((other) => other !== timer));
    },
    deadline: (ms, act) => fake.after(ms, act),
    /** When the timers come, from now. */
    waits: () => timers.map(({ at }) => at - now).sort((a, b) => a - b),
    /** Goes on for so long. */
    async pass(ms) {
      const end = now + ms;
      await settle();
      for (;;) {
        const next = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at || a.number - b.number)[0];
        if (next === undefined) break;
        timers = timers.filter((other) => other !== next);
        now = Math.max(now, next.at);
        next.act();
        await settle();
      }
      now = Math.max(now, end);
    },
    /** The event loop stands still for so long, or the machine sleeps: whatever was due comes afterwards, once. */
    async stall(ms) {
      now += ms;
      await fake.pass(0);
    },
  };
  return fake;
}
