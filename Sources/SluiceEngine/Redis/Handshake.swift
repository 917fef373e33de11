import SluiceWire

/// The burst that a connection begins with, and what the server's replies to it say. No I/O.
struct Handshake {
    enum Step: Equatable {
        /// An error here means that this server cannot be used.
        case required(String)
        case optional
        case load(LoadedScript)
        case role
        case info
    }

    /// Why the server cannot be used.
    struct Refusal: Equatable {
        /// In words without secrets.
        var reason: String
        /// It takes no writes, for it is not the primary.
        var isReplica = false
    }

    /// The first one counts: a server that refuses us also cuts off what we say next, and that would hide why.
    private(set) var refusal: Refusal?
    /// What SCRIPT LOAD answered for each script.
    private(set) var digests = Array(repeating: [UInt8](), count: LoadedScript.allCases.count)
    private(set) var server = ServerInfo()
    /// Commands that the user may not give, and that the link can do without.
    private(set) var missingRights: [String] = []
    private let node: Endpoint

    /// - Parameter node: who is shaken hands with.
    init(node: Endpoint) {
        self.node = node
    }

    /// - Parameter scripts: the source of each loaded script.
    static func burst(for target: RedisTarget, scripts: [[UInt8]]) -> [(step: Step, command: [[UInt8]])] {
        var burst: [(Step, [[UInt8]])] = []
        func add(_ step: Step, _ words: String..., script: [UInt8]? = nil) {
            burst.append((step, words.map { Array($0.utf8) } + (script.map { [$0] } ?? [])))
        }
        if !target.user.isEmpty {
            add(.required("AUTH"), "AUTH", target.user, target.password)
        } else if !target.password.isEmpty {
            add(.required("AUTH"), "AUTH", target.password)
        }
        if target.database != 0 { add(.required("SELECT"), "SELECT", String(target.database)) }
        add(.optional, "CLIENT", "SETNAME", "sluice")
        // Who it is comes before the scripts: an old server would refuse those for reasons of its own.
        add(.info, "INFO")
        if case .clusterNode = target.topology {
            // A replica does no harm: it redirects, and knows the map.
        } else {
            add(.role, "ROLE")
        }
        for script in LoadedScript.allCases.prefix(scripts.count) {
            add(.load(script), "SCRIPT", "LOAD", script: scripts[script.rawValue])
        }
        return burst
    }

    mutating func take(_ step: Step, _ reply: Reply) {
        guard reply.kind != .error else { return takeError(step, reply.string) }
        switch step {
        case .required, .optional: break
        case .load(let script): digests[script.rawValue] = Array(reply.bytes(at: 0))
        case .role:
            guard reply.kind == .array, reply.count > 1 else { return }
            let role = String(decoding: reply.bytes(at: 1), as: UTF8.self)
            guard role != "master" else { return }
            refuse(role == "slave" ? "it is a replica" : "it is a \(role.prefix(20))", isReplica: role == "slave")
        case .info:
            server = ServerInfo(reply.string)
            if let unsupported = server.unsupported { refuse(unsupported) }
        }
    }

    private mutating func takeError(_ step: Step, _ text: String) {
        let outcome = ErrorReply(text, from: node).outcome
        let command: String
        switch step {
        case .optional:
            // Not an error of this command, but of all: too many clients, say.
            guard case .notExecuted(let failure) = outcome, failure != .denied else { return }
            return refuse(String(text.prefix(200)), isReplica: failure == .readOnly)
        case .required(let name): command = name
        case .load: command = "SCRIPT LOAD"
        case .role: command = "ROLE"
        case .info: command = "INFO"
        }
        if step == .role || step == .info, text.hasPrefix("NOPERM") {
            missingRights.append(command)
            return
        }
        refuse("\(command): \(text.prefix(200))", isReplica: outcome == .notExecuted(.readOnly))
    }

    private mutating func refuse(_ reason: String, isReplica: Bool = false) {
        if refusal == nil { refusal = Refusal(reason: reason, isReplica: isReplica) }
    }
}
