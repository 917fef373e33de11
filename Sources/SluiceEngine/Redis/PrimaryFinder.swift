import NIOCore
import SluiceWire

/// Asks the sentinels, one after the other, where the primary is. What they say may be behind the times: whoever
/// connects there looks at its ROLE, and tells here whether it was right.
final class PrimaryFinder {
    /// No sentinel knows, and there is no earlier answer.
    struct Nobody: Error {
        /// In words without secrets.
        var reason: String
    }

    /// How long one sentinel has for its answer, the connection's opening included.
    private static let patience = TimeAmount.milliseconds(300)

    private let set: RedisTarget.SentinelSet
    private let target: RedisTarget
    private let loop: any EventLoop
    /// The sentinel that is asked first: the last that answered.
    private var first = 0
    private var question: SentinelConnection?
    /// The last that was a primary when it was connected.
    private var lastRight: Endpoint?

    init(set: RedisTarget.SentinelSet, target: RedisTarget, loop: any EventLoop) {
        self.set = set
        self.target = target
        self.loop = loop
    }

    /// Calls `done` once; with the last one that was right if no sentinel can be reached.
    func find(_ done: @escaping (Result<Endpoint, Nobody>) -> Void) {
        ask(0, "", done)
    }

    func stop() { question?.close() }

    /// The answer led to a primary.
    func isRight(_ endpoint: Endpoint) { lastRight = endpoint }

    /// The answer led to a replica: another sentinel may know better.
    func isWrong() { first = (first + 1) % set.endpoints.count }

    private func ask(_ turn: Int, _ why: String, _ done: @escaping (Result<Endpoint, Nobody>) -> Void) {
        guard turn < set.endpoints.count else {
            if let lastRight { return done(.success(lastRight)) }
            return done(.failure(Nobody(reason: "no sentinel knows the primary \"\(set.name)\": \(why)")))
        }
        let place = (first + turn) % set.endpoints.count
        let sentinel = set.endpoints[place]
        question = SentinelConnection(
            to: sentinel, of: set, target, on: loop, command: ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", set.name],
            timeout: Self.patience,
            take: { [weak self] reply in
                guard let self else { return }
                question?.close()
                guard let endpoint = Self.address(in: reply) else {
                    return ask(turn + 1, "\(sentinel) does not know that name", done)
                }
                first = place
                done(.success(endpoint))
            },
            end: { [weak self] why in self?.ask(turn + 1, "\(sentinel): \(why)", done) })
    }

    /// Of a reply of two texts, host and port.
    private static func address(in reply: Reply) -> Endpoint? {
        guard reply.kind == .array, reply.count == 3 else { return nil }
        let texts = [1, 2].map { String(decoding: reply.bytes(at: $0), as: UTF8.self) }
        return endpoint(host: texts[0], port: texts[1])
    }

    /// An endpoint of a sentinel's words; nil for what cannot be one.
    static func endpoint(host: String, port: String) -> Endpoint? {
        guard 1...255 ~= host.utf8.count, let port = UInt16(port), port > 0 else { return nil }
        return .tcp(host: host, port: Int(port))
    }
}
