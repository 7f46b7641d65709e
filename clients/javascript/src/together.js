// What shows when checkpoints are seen together, of each ledger by itself: the rules of crates/verify/src/bulk. What is not VALID says
// nothing about a history.

const SECONDS_OF_A_DAY = 86_400;

// Groups of what has the same key, in the order in which the first of each came.
function groupsOf(rows, keyOf) {
  const groups = new Map();
  for (const row of rows) {
    const key = keyOf(row);
    if (groups.has(key)) groups.get(key).push(row);
    else groups.set(key, [row]);
  }
  return [...groups.values()];
}

const inOrder = (one, other) => (one.place < other.place ? [one, other] : [other, one]);
const byPlaces = ([one, other], [third, fourth]) => one.place - third.place || other.place - fourth.place;

// Of each name, its first content beside each other one.
function secondContents(rows) {
  const pairs = groupsOf(rows, ({ id }) => id).flatMap((group) => {
    const [first, ...others] = groupsOf(group, ({ content }) => content).map(([row]) => row);
    return others.map((other) => [first, other]);
  });
  return pairs.sort(byPlaces);
}

// Of each place, its first state (hash and volume) beside each other one, by checkpoints of different names: where there are none, the
// name has two contents, which is told already.
function secondHistories(rows) {
  const pairs = groupsOf(rows, ({ count }) => count).flatMap((group) => {
    const alike = groupsOf(group, ({ state }) => state).map((same) => ({ first: same[0], other: same.find(({ id }) => id !== same[0].id) }));
    const [{ first, other }, ...others] = alike;
    return others.map((second) => {
      if (second.first.id !== first.id) return [first, second.first];
      if (second.other) return [first, second.other];
      return other ? [other, second.first] : null;
    });
  });
  return pairs.filter(Boolean).map(([one, other]) => inOrder(one, other)).sort(byPlaces);
}

// The checkpoints by their time; of one time, the smaller count first.
const byTime = (one, other) => one.time - other.time || one.count - other.count || one.place - other.place;

// Takes what verifyPublished found, in the order in which it came, and gives { findings, copies }. A finding is { finding, checkpoints }:
// the name of the fault (SECOND_CONTENT, SECOND_HISTORY, ENTRY_COUNT_FELL) or of the note (GAP, with the days that have none), and the places of
// its two checkpoints among what came, from 0 on. Copies are those that were there already with the same content.
export function seenTogether(verdicts) {
  const rows = verdicts.flatMap(({ kind, published }, place) => {
    if (kind !== "VALID") return [];
    const of = (name) => published.members.get(name);
    const state = `${of("cumulative_hash")} ${of("total_volume")}`;
    return [{ place, ledger: of("ledger_id"), id: of("checkpoint_id"), count: of("entry_count"), state, time: Date.parse(of("timestamp")) / 1000, content: published.payload }];
  });
  const found = { SECOND_CONTENT: [], SECOND_HISTORY: [], ENTRY_COUNT_FELL: [], GAP: [] };
  let copies = 0;
  for (const ledger of groupsOf(rows, (row) => row.ledger)) {
    copies += ledger.length - groupsOf(ledger, ({ id, content }) => `${id} ${content}`).length;
    found.SECOND_CONTENT.push(...secondContents(ledger));
    found.SECOND_HISTORY.push(...secondHistories(ledger));
    const sorted = ledger.toSorted(byTime);
    for (const [index, row] of sorted.slice(1).entries()) {
      const before = sorted[index];
      if (row.count < before.count) found.ENTRY_COUNT_FELL.push([before, row]);
      const days = Math.floor(row.time / SECONDS_OF_A_DAY) - Math.floor(before.time / SECONDS_OF_A_DAY) - 1;
      if (days > 0) found.GAP.push([before, row, days]);
    }
  }
  const findings = Object.entries(found).flatMap(([finding, pairs]) =>
    pairs.map(([one, other, days]) => ({ finding, checkpoints: [one.place, other.place], ...(days ? { days } : {}) })));
  return { findings, copies };
}
