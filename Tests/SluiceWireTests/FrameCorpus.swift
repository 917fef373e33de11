import NIOCore
import SluiceWire
import SwiftProtobuf

/// The frames of docs/protocol.md, made by the code.
enum FrameCorpus {
    static let checkRequest = frame(
        FrameHeader(kind: .request, method: .check, stream: 1, micros: 10_000),
        WireCheckRequest(
            action: "login",
            entities: [WireEntity("user", "u17"), WireEntity(dimension: "device", value: [0x9F, 0x3C])]
        )
    )

    static let checkResponse = frame(
        FrameHeader(kind: .response, method: .check, stream: 1, micros: 412),
        WireCheckResponse.with { response in
            response.verdict = .challenge
            response.trips = [
                .with { trip in
                    trip.rule = "login-failures"
                    trip.windowMs = 600_000
                    trip.max = 5
                    trip.used = 5
                    trip.retryAfterMs = 1_234
                    trip.verdict = .challenge
                    trip.limit = "5 per 10m"
                }
            ]
            response.retryAfterMs = 1_234
            response.generation = 7
        }
    )

    static let errorResponse = frame(
        FrameHeader(kind: .response, method: .check, status: .invalidArgument, stream: 2, micros: 35),
        WireError.with { $0.message = "dimension user appears twice" }
    )

    static let hello = frame(FrameHeader(kind: .hello), helloMessage)

    static let helloMessage = WireHello.with { hello in
        hello.version = 1
        hello.server = "sluiced 1.0"
        hello.generation = 7
        hello.maxPayload = 65_536
        hello.maxInFlight = 1_024
    }

    static let ping: ByteBuffer = {
        var buffer = ByteBuffer()
        buffer.writeFrame(FrameHeader(kind: .ping), payload: [0, 0, 0, 0, 0, 0, 0, 42])
        return buffer
    }()

    static let goAway: ByteBuffer = {
        var buffer = ByteBuffer()
        buffer.writeFrame(FrameHeader(kind: .goAway), payload: [])
        return buffer
    }()

    /// The preface and everything a client may send behind it.
    static let fromClient: [UInt8] = Preface.bytes + bytes(checkRequest, ping, checkRequest)

    /// Everything a server may send.
    static let fromServer: [UInt8] = bytes(hello, checkResponse, ping, errorResponse, goAway)

    static func bytes(_ buffers: ByteBuffer...) -> [UInt8] {
        buffers.flatMap(\.readableBytesView)
    }

    private static func frame(_ header: FrameHeader, _ message: some Message) -> ByteBuffer {
        var buffer = ByteBuffer()
        try! buffer.writeFrame(header, message: message)
        return buffer
    }
}
