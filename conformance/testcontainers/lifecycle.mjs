// What users of testcontainers for Node do; see lifecycle.py.
import assert from 'node:assert';
import {GenericContainer, Network, Wait} from 'testcontainers';
import {PostgreSqlContainer} from '@testcontainers/postgresql';
import {RedisContainer} from '@testcontainers/redis';

const sleeper = name => new GenericContainer(name).withCommand(['sleep', '1000']);

const cases = {
  async generic_container() {
    const box = await sleeper('busybox:latest').start();
    const {output, exitCode} = await box.exec(['sh', '-c', 'echo inside; exit 3']);
    assert.deepEqual([output, exitCode], ['inside\n', 3]);
    await box.stop();
  },
  async waits_for_a_line() {
    const box = await new GenericContainer('alpine:latest')
      .withCommand(['sh', '-c', 'echo first; sleep 1; echo ready; sleep 1000'])
      .withWaitStrategy(Wait.forLogMessage('ready')).start();
    await box.stop();
  },
  async waits_for_a_command() {
    const box = await new GenericContainer('busybox:latest')
      .withCommand(['sh', '-c', 'sleep 1; touch /ready; sleep 1000'])
      .withWaitStrategy(Wait.forSuccessfulCommand('test -e /ready')).start();
    await box.stop();
  },
  async waits_for_health() {
    const box = await sleeper('busybox:latest')
      .withHealthCheck({test: ['CMD-SHELL', 'true'], interval: 200, timeout: 3000, retries: 3})
      .withWaitStrategy(Wait.forHealthCheck()).start();
    await box.stop();
  },
  async environment_and_binds() {
    const box = await sleeper('busybox:latest').withEnvironment({NAME: 'a value'})
      .withBindMounts([{source: '/etc/hostname', target: '/given', mode: 'ro'}]).start();
    const {output} = await box.exec(['sh', '-c', 'echo $NAME; test -s /given && echo there']);
    assert.equal(output, 'a value\nthere\n');
    await box.stop();
  },
  async copies_content() {
    const box = await sleeper('busybox:latest')
      .withCopyContentToContainer([{content: 'given', target: '/etc/given'}]).start();
    assert.equal((await box.exec(['cat', '/etc/given'])).output, 'given');
    await box.stop();
  },
  async restarts() {
    const box = await sleeper('busybox:latest').start();
    await box.restart();
    assert.equal((await box.exec(['echo', 'again'])).output, 'again\n');
    await box.stop();
  },
  async redis_without_a_port() {
    const box = await new GenericContainer('redis:7')
      .withWaitStrategy(Wait.forLogMessage('Ready to accept connections')).start();
    assert.equal((await box.exec(['redis-cli', 'ping'])).output.trim(), 'PONG');
    await box.stop();
  },
  async redis_module() {
    const redis = await new RedisContainer('redis:7').start();
    assert.ok(redis.getPort());
    await redis.stop();
  },
  async postgres_module() {
    const postgres = await new PostgreSqlContainer('postgres:15').start();
    assert.ok(postgres.getPort());
    await postgres.stop();
  },
  async network_with_a_name() {
    const network = await new Network().start();
    const box = await sleeper('busybox:latest').withNetwork(network)
      .withNetworkAliases('box').start();
    assert.equal((await box.exec(['nslookup', 'box'])).exitCode, 0);
    await box.stop();
    await network.stop();
  },
};

for (const [name, run] of Object.entries(cases)) {
  try {
    await run();
    console.log(`case node/${name}\tpass`);
  } catch (error) {
    console.error(error);
    const text = `${error.name}: ${error.message} ${error.json ? JSON.stringify(error.json) : ''}`;
    console.log(`case node/${name}\tfail\t${text.replace(/\s+/g, ' ').slice(0, 1000)}`);
  }
}
// Waits that failed may still hold connections.
process.exit(0);
