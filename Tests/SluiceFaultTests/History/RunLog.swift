import SluiceModel
import SluiceReference
import TestSupport

/// The runs that a Redis has executed, in its order, and what the reference model says of them.
struct RunLog {
    let runs: [LoggedRun]

    /// Reads what `LoggedScript` kept. Redis unpacks it, so that nothing here has to.
    init(_ redis: RedisServer) throws {
        let look = try RedisConnection(socket: redis.socket, timeoutMs: 5_000)
        let script = """
            local runs = {}
            for i, bytes in ipairs(redis.call('LRANGE', KEYS[1], ARGV[1], ARGV[1] + 499)) do
              local run = cmsgpack.unpack(bytes)
              local reply = {}
              for j, number in ipairs(run[3]) do reply[j] = string.format('%.0f', number) end
              runs[i] = {run[1], run[2][1], run[2][2], reply}
            end
            return runs
            """
        var all: [LoggedRun] = []
        while true {
            let page = try look.command("EVAL", script, "1", LoggedScript.key, "\(all.count)").elements
            if page.isEmpty { break }
            for entry in page {
                let parts = entry.elements
                guard parts.count == 4 else { throw LoggedRun.Unreadable(description: "an entry of another shape") }
                all.append(
                    try LoggedRun(
                        keys: parts[0].elements.map(\.bytes), numbers: parts[1].bytes, words: parts[2].bytes,
                        reply: parts[3].elements.map { Int($0.string) ?? 0 }))
            }
        }
        runs = all
    }

    var items: [LoggedRun.Item] { runs.flatMap(\.items) }

    /// Replays every run, in order and at its time, in the reference model.
    ///
    /// - Returns: where the verdicts differ, a line each; ten at most.
    func disagreements(with rule: Rule) -> [String] {
        var model = ReferenceModel(rules: [rule])
        var found: [String] = []
        for (number, run) in runs.enumerated() {
            model.beginRun()
            for item in run.items {
                let request = ReferenceModel.Request(
                    action: Array("hot".utf8), entities: [("user", Array(item.key.utf8))], cost: max(1, item.cost),
                    eventID: Array(item.event.utf8))
                let expected = model.decide(request, atMs: run.nowMs)
                if Int(expected.verdict.rawValue) != item.verdict || expected.duplicate != item.isRepeat {
                    found.append(
                        "run \(number) at \(run.nowMs), \(item): the model says \(expected.verdict), "
                            + "\(expected.duplicate ? "a repeat" : "decided now")")
                }
            }
            if found.count >= 10 { break }
        }
        return found
    }

    /// The most that any window of `windowMs` admitted of one entity.
    func most(within windowMs: UInt64) -> Int {
        var times: [String: [UInt64]] = [:]
        for run in runs {
            for item in run.items where item.verdict == 0 && !item.isRepeat {
                times[item.key, default: []].append(run.nowMs)
            }
        }
        var most = 0
        for (_, admitted) in times {
            let sorted = admitted.sorted()
            for (place, first) in sorted.enumerated() {
                most = max(most, sorted[place...].prefix { $0 < first + windowMs }.count)
            }
        }
        return most
    }
}
