import SluiceClient
import SluiceWire

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
        // An operator's request to the data listener, above all: the right service is elsewhere.
        case .permissionDenied, .unauthenticated, .unavailable, .resourceExhausted, .deadlineExceeded: .noServer
        default: .internalFailure
        }
    }
}
