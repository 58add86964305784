// Load through the REST API, and the proof that it arrived: after the run every message is looked up as delivered.
//
//   BASE_URL=http://127.0.0.1:8000 TOKEN=… SCENARIO=steady k6 run ops/k6/messages.js
//
// TOKEN is a service client's, with the scopes send and manage. Also: RATE (messages a second), DURATION, CONVERSATIONS,
// DRAIN_S (how long all may take to be delivered after the last request). `make load` sets BASE_URL and TOKEN.

import http from 'k6/http';
import exec from 'k6/execution';
import { fail, sleep } from 'k6';
import { Counter, Gauge, Rate, Trend } from 'k6/metrics';

const BASE = (__ENV.BASE_URL || 'http://127.0.0.1:8000').replace(/\/$/, '');
const CONVERSATIONS = Number(__ENV.CONVERSATIONS || 50);
const DRAIN_S = Number(__ENV.DRAIN_S || 120);
const GRACE_S = 60;
const TRIES = 20;
const PAGE = 200;

const rate = (usual) => Number(__ENV.RATE || usual);
const lasting = (usual) => __ENV.DURATION || usual;

// `size`: messages a request; above 1 they go to /v1/messages:batch. Rates of scenarios are requests a second.
const SCENARIOS = {
  smoke: { size: 1, executor: 'constant-arrival-rate', rate: rate(10), duration: lasting('10s') },
  steady: { size: 1, executor: 'constant-arrival-rate', rate: rate(100), duration: lasting('60s') },
  '100k-a-minute': {
    size: 100, executor: 'constant-arrival-rate', rate: Math.ceil(rate(1667) * 0.6), timeUnit: '1m', duration: lasting('60s'),
  },
  spike: {
    size: 1,
    executor: 'ramping-arrival-rate',
    startRate: 20,
    stages: [
      { target: 20, duration: '10s' },
      { target: rate(300), duration: '2s' },
      { target: rate(300), duration: '15s' },
      { target: 20, duration: '2s' },
      { target: 20, duration: '20s' },
    ],
  },
  soak: { size: 1, executor: 'constant-arrival-rate', rate: rate(50), duration: lasting('30m') },
};
const NAME = __ENV.SCENARIO || 'smoke';
if (!SCENARIOS[NAME]) {
  throw new Error(`SCENARIO=${NAME} is none of ${Object.keys(SCENARIOS).join(', ')}`);
}
const { size: SIZE, ...scenario } = SCENARIOS[NAME];

const seconds = (text) => Number(text.slice(0, -1)) * { s: 1, m: 60, h: 3600 }[text.slice(-1)];
const LASTS_S = (scenario.stages || [scenario]).reduce((total, each) => total + seconds(each.duration), 0);

// Virtual users share no memory, and only a scenario may ask how many iterations there were: so looking up is one, after the load.
export const options = {
  scenarios: {
    [NAME]: { exec: 'send', preAllocatedVUs: 100, maxVUs: 200, gracefulStop: `${GRACE_S}s`, ...scenario },
    'look-up': {
      exec: 'lookUp',
      executor: 'per-vu-iterations',
      vus: 1,
      iterations: 1,
      startTime: `${LASTS_S}s`,
      maxDuration: `${GRACE_S + DRAIN_S + 60}s`,
    },
  },
  setupTimeout: '60s',
  summaryTrendStats: ['avg', 'min', 'med', 'p(90)', 'p(99)', 'max'],
  thresholds: {
    accept_ms: ['p(99)<200'],
    accept_errors: ['rate<0.001'],
    dropped_iterations: ['count==0'],
    messages_given_up: ['count==0'],
    messages_lost: ['count==0'],
    messages_doubled: ['count==0'],
    messages_undelivered: ['count==0'],
  },
};

const acceptMs = new Trend('accept_ms', true);
const acceptErrors = new Rate('accept_errors');
const accepted = new Counter('messages_accepted');
const givenUp = new Counter('messages_given_up');
const lost = new Counter('messages_lost');
const doubled = new Counter('messages_doubled');
const undelivered = new Counter('messages_undelivered');
const delivered = new Counter('messages_delivered');
const drainedAfter = new Gauge('drained_after_s');

const params = (token, name) => ({
  headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
  tags: { name },
  timeout: '30s',
});

function call(token, method, path, body, name) {
  return http.request(method, BASE + path, body === null ? null : JSON.stringify(body), params(token, name));
}

// A sender, and conversations with one person on WhatsApp each. All of them are this run's own.
export function setup() {
  const token = __ENV.TOKEN || fail('TOKEN is not set: the access token of a service client');
  const run = Date.now().toString(16).slice(-8).padStart(8, '0');
  const sender = `k6-${run}`;
  const conversations = [];
  expect(call(token, 'POST', '/v1/users', { user_id: sender, password: `${run}-${run}` }, 'setup'), 201);
  for (let number = 0; number < CONVERSATIONS; number += 1) {
    const phone = `whatsapp:+559${String(parseInt(run, 16) % 100000).padStart(5, '0')}${String(number).padStart(5, '0')}`;
    const made = { type: 'private', members: [sender, phone] };
    conversations.push(expect(call(token, 'POST', '/v1/conversations', made, 'setup'), 201).conversation_id);
  }
  return { token, run, sender, conversations };
}

function expect(answer, status) {
  if (answer.status !== status) {
    fail(`${answer.request.method} ${answer.url}: ${answer.status} ${answer.body}`);
  }
  return answer.json();
}

// Every id is made from its number, so that the look-up knows all of them.
const idOf = (run, number) => `${run}-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;

function message(given, number) {
  return {
    message_id: idOf(given.run, number),
    conversation_id: given.conversations[number % given.conversations.length],
    from: given.sender,
    channels: ['whatsapp'],
    payload: { type: 'text', text: `number ${number} of the load`.padEnd(60, '.') },
  };
}

// What is not accepted is sent again under the same id, as clients do.
export function send(given) {
  const first = exec.scenario.iterationInTest * SIZE;
  let left = [];
  for (let place = 0; place < SIZE; place += 1) {
    left.push(message(given, first + place));
  }
  for (let tries = 0; left.length && tries < TRIES; tries += 1) {
    if (tries) {
      sleep(0.5);
    }
    left = SIZE === 1 ? one(given, left) : batch(given, left);
  }
  givenUp.add(left.length);
}

function one(given, [said]) {
  const answer = call(given.token, 'POST', '/v1/messages', said, 'accept');
  return judge(answer, [said], [answer.status === 202]);
}

function batch(given, said) {
  const answer = call(given.token, 'POST', '/v1/messages:batch', { messages: said }, 'accept');
  const results = answer.status === 200 ? answer.json('results') : [];
  return judge(answer, said, said.map((_, place) => (results[place] || {}).status === 'accepted'));
}

function judge(answer, said, taken) {
  acceptMs.add(answer.timings.duration);
  taken.forEach((each) => acceptErrors.add(!each));
  accepted.add(taken.filter(Boolean).length);
  return said.filter((_, place) => !taken[place]);
}

// Reads every conversation until all that was accepted in it is delivered, or the time is over. Every
// number from 0 on was used, so none can be missed.
export function lookUp(given) {
  while (exec.instance.vusActive > 1) {
    sleep(0.2);
  }
  const began = Date.now();
  const wanted = exec.instance.iterationsCompleted * SIZE;
  const found = new Map();
  const places = Object.fromEntries(given.conversations.map((each) => [each, 0]));
  let twice = 0;
  for (;;) {
    given.conversations.forEach((each) => {
      twice += follow(given, each, places, found);
    });
    if (count(found) >= wanted || Date.now() - began > DRAIN_S * 1000) {
      break;
    }
    sleep(1);
  }
  let missing = 0;
  for (let number = 0; number < wanted; number += 1) {
    missing += found.has(idOf(given.run, number)) ? 0 : 1;
  }
  lost.add(missing);
  doubled.add(twice);
  delivered.add(count(found));
  undelivered.add(found.size - count(found));
  drainedAfter.add((Date.now() - began) / 1000);
}

const count = (found) => [...found.values()].filter((each) => each.arrived).length;

// On from the last place before which all has arrived; how many messages were there under a second seq.
function follow(given, conversation, places, found) {
  let [since, gap, twice] = [places[conversation], false, 0];
  while (since !== undefined) {
    const path = `/v1/conversations/${conversation}/messages?since=${since}&limit=${PAGE}`;
    const page = expect(call(given.token, 'GET', path, null, 'look up'), 200);
    page.messages.forEach((each) => {
      const before = found.get(each.message_id);
      const arrived = each.deliveries.some(isDelivered);
      twice += before && before.seq !== each.seq ? 1 : 0;
      found.set(each.message_id, { seq: each.seq, arrived });
      gap = gap || !arrived;
      places[conversation] = gap ? places[conversation] : each.seq;
    });
    since = page.next;
  }
  return twice;
}

const isDelivered = (delivery) => delivery.channel === 'whatsapp' && ['DELIVERED', 'READ'].includes(delivery.status);
