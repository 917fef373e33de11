import SluiceClient
import SluiceModel
import SluiceWire

/// Why a command ends, and with what status.
struct Failure: Error {
    var status: ExitStatus
    /// What was wrong and what to do, in lines for people; empty when all is said already.
    var message: String
    /// Whether the message stands alone, without the program's name before it.
    var isBare = false

    init(_ status: ExitStatus, _ message: String = "") {
        self.status = status
        self.message = message
    }
}

extension Failure {
    /// What is wrong with a limits file, a line each, as an editor or a CI annotates it.
    init(_ error: LimitsFileError) {
        self.init(.badData, error.diagnostics.map(\.description.printable).joined(separator: "\n"))
        isBare = true
    }
}

extension Failure {
    /// Why a service at `endpoint` gave no answer. Always one line.
    init(_ error: SluiceClientError, at endpoint: Endpoint) {
        let place = "\(endpoint)".printable
        switch error {
        case .unreachable(_, let why):
            self.init(.noServer, "no service at \(place): \(why.printable)")
        case .deadlineExceeded:
            self.init(.noServer, "the service at \(place) did not answer in time")
        case .connectionLost(let why):
            self.init(.noServer, "the service at \(place) broke the connection: \(why.printable)")
        case .status(let status, let message):
            self.init(Self.exitStatus(of: status), "the service at \(place) refused: \(message.printable)")
        case .payloadTooLong:
            self.init(.badData, "\(error)")
        case .tooManyInFlight, .shutDown, .malformedAnswer, .cancelled:
            self.init(.internalFailure, "\(error)".printable)
        }
    }

    private static func exitStatus(of status: WireStatus) -> ExitStatus {
        switch status {
        case .invalidArgument, .notFound: .badData
        // An operator's request to the data listener, above all, or to an older service: the right one is elsewhere.
        case .permissionDenied, .unauthenticated, .unavailable, .resourceExhausted, .deadlineExceeded,
            .unimplemented:
            .noServer
        default: .internalFailure
        }
    }
}
