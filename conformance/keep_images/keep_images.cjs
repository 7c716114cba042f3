// Mocha's root hook: brings back the images that a test before this one removed, see
// keep_images.py.
const {spawnSync} = require('child_process');

// The engine's answers say why a test failed: they must not be cut.
require(require.resolve('chai', {paths: [process.cwd()]})).config.truncateThreshold = 0;

exports.mochaHooks = {
  beforeEach() {
    const format = ['images', '--format', '{{.Repository}}:{{.Tag}}'];
    const listed = String(spawnSync('docker', format).stdout).split('\n');
    for (const [name, archive] of Object.entries(JSON.parse(process.env.KEPT_IMAGES))) {
      if (!listed.includes(name)) spawnSync('docker', ['load', '-q', '-i', archive]);
    }
  },
};
