// BullMQ's own queue, measured as `queue.rs` measures ours: jobs a second enqueued by 50 callers at once and in bulks of 500
// (three at once), claimed and settled by one worker process; milliseconds to the pickup of a job pushed to an idle queue and
// after the due time of a delayed one. Prints one line of JSON.
import { Queue, Worker } from 'bullmq'
import IORedis from 'ioredis'

const JOBS = Number(process.env.JOBS ?? 20000)
const connect = () => new IORedis(process.env.REDIS_URL, { maxRetriesPerRequest: null })
const options = { removeOnComplete: true }
const seconds = async work => {
  const begun = performance.now()
  await work()
  return (performance.now() - begun) / 1000
}
const quantiles = values => {
  values.sort((a, b) => a - b)
  return [0.5, 0.99].map(q => values[Math.min(values.length - 1, Math.ceil(q * values.length) - 1)])
}

const callers = new Queue('callers', { connection: connect() })
let next = 0
const single = await seconds(async () => {
  for (let n = 0; n < JOBS / 10; n++) await callers.add('job', { n }, options)
})
const concurrent = await seconds(() => Promise.all(Array.from({ length: 50 }, async () => {
  while (next++ < JOBS) await callers.add('job', { next }, options)
})))

const bulk = new Queue('bulk', { connection: connect() })
let left = JOBS / 500
const bulks = await seconds(() => Promise.all(Array.from({ length: 3 }, async () => {
  while (left-- > 0) await bulk.addBulk(Array.from({ length: 500 }, (_, n) => ({ name: 'job', data: { n }, opts: options })))
})))

const drained = await seconds(() => new Promise(resolve => {
  let done = 0
  const total = Math.ceil(JOBS / 500) * 500
  new Worker('bulk', async () => { if (++done === total) resolve() }, { connection: connect(), concurrency: 200 })
}))

const idle = new Queue('idle', { connection: connect() })
let picked
new Worker('idle', async () => picked(performance.now()), { connection: connect(), concurrency: 10 })
const pickups = []
for (let n = 0; n < 300; n++) {
  const arrived = new Promise(resolve => { picked = resolve })
  const begun = performance.now()
  await idle.add('job', { n }, options)
  pickups.push(await arrived - begun)
  await new Promise(resolve => setTimeout(resolve, 5))
}

const due = new Queue('due', { connection: connect() })
const late = []
await new Promise(resolve => {
  new Worker('due', async job => {
    late.push(Date.now() - job.data.at)
    if (late.length === 300) resolve()
  }, { connection: connect(), concurrency: 200 })
  for (let n = 0; n < 300; n++) {
    const delay = 500 + Math.random() * 3000
    due.add('job', { at: Date.now() + delay }, { ...options, delay })
  }
})

const [pickup50, pickup99] = quantiles(pickups)
const [late50, late99] = quantiles(late)
console.log(JSON.stringify({
  single: JOBS / 10 / single, concurrent: JOBS / concurrent, bulk: JOBS / bulks, drained: JOBS / drained,
  pickup50, pickup99, late50, late99,
}))
process.exit(0)
