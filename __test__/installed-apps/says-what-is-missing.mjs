// A program that profiles where it can: it goes on where that cannot be, and says why. PRETEND names another platform.
if (process.env.PRETEND) {
  const [platform, arch] = process.env.PRETEND.split(' ');
  Object.defineProperty(process, 'platform', { value: platform });
  Object.defineProperty(process, 'arch', { value: arch });
}
const { profile, start, startCluster, withLabels } = await import('pronghorn');
const said = [];
for (const attempt of [() => start(), () => startCluster(), () => profile({ durationMs: 1 })]) {
  try {
    await attempt();
    said.push('it runs');
  } catch (error) {
    said.push([error.name, error.code, error.message]);
  }
}
said.push(withLabels({ route: '/' }, () => 'the work is done'));
console.log(JSON.stringify(said));
