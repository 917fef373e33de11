import SluiceModel
import SluiceWire
import Testing

struct WireMessagesTests {
    @Test(arguments: Verdict.allCases)
    func `A verdict has the same number on the wire`(verdict: Verdict) {
        let wire = WireVerdict(verdict)
        #expect(wire.rawValue == Int(verdict.rawValue))
        #expect(Verdict(wire) == verdict)
    }

    @Test(arguments: Mode.allCases)
    func `A mode has the same number on the wire`(mode: Mode) {
        let wire = WireMode(mode)
        #expect(wire.rawValue == Int(mode.rawValue))
        #expect(Mode(wire) == mode)
    }

    @Test(arguments: ListKind.allCases)
    func `A list has the same number on the wire`(kind: ListKind) {
        let wire = WireListing.Kind(kind)
        #expect(wire.rawValue == Int(kind.rawValue))
        #expect(ListKind(wire) == kind)
    }

    @Test
    func `A verdict, mode or list of a later version is none of ours`() {
        #expect(Verdict(WireVerdict.UNRECOGNIZED(4)) == nil)
        #expect(Mode(WireMode.UNRECOGNIZED(3)) == nil)
        #expect(ListKind(WireListing.Kind.UNRECOGNIZED(4)) == nil)
        #expect(ListKind(WireListing.Kind.remove) == nil)
    }

    @Test
    func `Unknown fields are skipped`() throws {
        let bytes: [UInt8] = [0x0A, 0x01, 0x61, 0xF8, 0x01, 0x05, 0x18, 0x02]
        let request = try WireCheckRequest(serializedBytes: bytes)
        #expect(request.action == "a")
        #expect(request.cost == 2)
    }
}
