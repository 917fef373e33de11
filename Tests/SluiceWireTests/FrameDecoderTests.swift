import NIOCore
import SluiceWire
import Testing

struct FrameDecoderTests {
    @Test(arguments: [FrameSender.client, .server])
    func `Frames come out whole wherever the bytes are split`(sender: FrameSender) throws {
        let bytes = sender == .client ? FrameCorpus.fromClient : FrameCorpus.fromServer
        let whole = try decode([bytes], from: sender)
        #expect(whole.count == (sender == .client ? 3 : 5))
        for first in 0...bytes.count {
            #expect(try decode([Array(bytes[..<first]), Array(bytes[first...])], from: sender) == whole)
        }
        #expect(try decode(bytes.map { [$0] }, from: sender) == whole)
    }

    @Test(arguments: [FrameSender.client, .server])
    func `Any byte changed to anything gives frames or a typed error`(sender: FrameSender) async {
        let bytes = sender == .client ? FrameCorpus.fromClient : FrameCorpus.fromServer
        var names: Set<String> = []
        for index in bytes.indices {
            // Tests that measure time run beside this one.
            await Task.yield()
            for value in UInt8.min...UInt8.max where value != bytes[index] {
                var mutated = bytes
                mutated[index] = value
                do throws(FrameError) {
                    let frames = try decode([mutated], from: sender)
                    for frame in frames { decodePayload(frame) }
                } catch {
                    names.insert(error.name)
                }
            }
        }
        #expect(names.isSubset(of: FrameError.names))
        #expect(names.isSuperset(of: ["oversize", "unknown_kind", "bad_flags", "bad_stream", "unexpected_kind"]))
    }

    @Test
    func `Random bytes give frames or a typed error`() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SplitMix(seed: seed)
        for _ in 0..<2_000 {
            let bytes = (0..<Int.random(in: 0...64, using: &random)).map { _ in
                UInt8.random(in: 0...6, using: &random)
            }
            for sender in [FrameSender.client, .server] {
                let prefix = sender == .client ? Preface.bytes : []
                do throws(FrameError) {
                    _ = try decode([prefix + bytes], from: sender)
                } catch {
                    #expect(FrameError.names.contains(error.name), "seed \(seed)")
                }
            }
        }
    }

    @Test
    func `A wrong preface is refused at its first wrong byte`() {
        for index in 0..<8 {
            var decoder = FrameDecoder(receivingFrom: .client, maxPayload: 100)
            var bytes = Preface.bytes
            bytes[index] ^= 0x20
            decoder.append(ByteBuffer(bytes: bytes[...index]))
            #expect(throws: FrameError.badPreface) { try decoder.next() }
        }
    }

    @Test
    func `A payload over the limit is refused before it arrives`() {
        var decoder = FrameDecoder(receivingFrom: .server, maxPayload: 100)
        var buffer = ByteBuffer()
        FrameHeader(length: 101, kind: .response, stream: 1).write(into: &buffer)
        decoder.append(buffer)
        #expect(throws: FrameError.oversize(length: 101, limit: 100)) { try decoder.next() }
    }

    @Test
    func `Nothing is decoded behind an error`() {
        var decoder = FrameDecoder(receivingFrom: .server, maxPayload: 100)
        decoder.append(ByteBuffer(repeating: 0xFF, count: 16))
        #expect(throws: FrameError.unknownKind(0xFF)) { try decoder.next() }
        decoder.append(FrameCorpus.goAway)
        #expect(throws: FrameError.unknownKind(0xFF)) { try decoder.next() }
    }

    private func decode(_ chunks: [[UInt8]], from sender: FrameSender) throws(FrameError) -> [Frame] {
        var decoder = FrameDecoder(receivingFrom: sender, maxPayload: 65_536)
        var frames: [Frame] = []
        for chunk in chunks {
            decoder.append(ByteBuffer(bytes: chunk))
            while let frame = try decoder.next() { frames.append(frame) }
        }
        return frames
    }

    /// Whether it decodes is the payload's affair; that it does not crash is ours.
    private func decodePayload(_ frame: Frame) {
        _ = try? WireCheckRequest(payload: frame.payload)
        _ = try? WireCheckResponse(payload: frame.payload)
        _ = try? WireHello(payload: frame.payload)
        _ = try? WireError(payload: frame.payload)
    }
}
