// Drives a foreign ZK client: one JSON object a line in, one out. Started with the folder that holds the packages.
const { createRequire } = require('module')
const readline = require('readline')
const load = createRequire(process.argv[2] + '/')

console.log = () => {} // the packages print what they do
const say = (answer) => process.stdout.write(JSON.stringify(answer) + '\n')
const PACKAGES = { 'zkteco-js': 'zkteco-js', 'node-zklib': 'node-zklib' }
let client = null

const rows = (answer) => (answer && answer.data) || []
const VERBS = {
  connect: async ({ peer, port }) => {
    client = new (load(PACKAGES[peer]))('127.0.0.1', port, 10000, 10000 + (port % 5000))
    await client.createSocket()
    return client.connectionType
  },
  info: () => client.getInfo(),
  users: async () => rows(await client.getUsers()),
  attendance: async () => rows(await client.getAttendances()),
  count: async () => rows(await client.getAttendances()).length,
  time: () => client.getTime(),
  setTime: ({ at }) => client.setTime(new Date(at)),
  setUser: ({ args }) => client.setUser(...args),
  deleteUser: ({ uid }) => client.deleteUser(uid),
  clear: () => client.clearAttendanceLog(),
  command: ({ code }) => client.executeCmd(code, ''),
  listen: async () => {
    await client.getRealTimeLogs((event) => say({ event }))
    return true
  },
  disconnect: () => client.disconnect(),
}

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const request = JSON.parse(line)
  try {
    say({ ok: await VERBS[request.do](request) })
  } catch (problem) {
    say({ error: String((problem && (problem.err || problem)) || problem) })
  }
}).on('close', () => process.exit(0))
