import Foundation
import NIOCore
import NIOPosix
import SluiceWire

extension ClientBootstrap {
    /// Connects without asking a resolver when the host is an address.
    func connect(to endpoint: Endpoint) -> EventLoopFuture<any Channel> {
        switch endpoint {
        case .tcp(let host, let port):
            if let address = try? SocketAddress(ipAddress: host, port: port) {
                return connect(to: address)
            }
            return connect(host: host, port: port)
        case .unix(let path):
            return connect(unixDomainSocketPath: path)
        }
    }
}

/// Says in one line why an attempt to connect failed.
func connectFailure(_ error: any Error) -> String {
    switch error {
    case let error as NIOConnectionError:
        if let first = error.connectionErrors.first { return connectFailure(first.error) }
        return "cannot resolve \(error.host)"
    case let error as IOError:
        return String(cString: strerror(error.errnoCode))
    case ChannelError.connectTimeout:
        return "no connection in time"
    default:
        return "\(error)"
    }
}

extension Duration {
    /// Cut to what timers can hold: nothing negative, and at most a year.
    var bounded: Duration { Swift.min(Swift.max(self, .zero), .seconds(365 * 86_400)) }
}
