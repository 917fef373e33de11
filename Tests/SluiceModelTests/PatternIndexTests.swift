import Testing

@testable import SluiceModel

@Suite struct PatternIndexTests {
    @Test("An index of patterns finds what a look at each of them finds")
    func index() {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededRandom(state: seed)
        func pattern() -> Pattern {
            let letters = (0..<Int.random(in: 0...4, using: &random)).map { _ in "abé".randomElement(using: &random)! }
            return Pattern(String(letters), isPrefix: Bool.random(using: &random))
        }
        for round in 0..<5_000 {
            let patterns = (0..<Int.random(in: 0...6, using: &random)).map { _ in pattern() }
            let index = PatternIndex(patterns)
            let asked = pattern()
            #expect(
                index.covers(asked) == patterns.contains { $0.matchesAll(of: asked) },
                "seed \(seed), round \(round): \(asked) in \(patterns)")
            #expect(
                index.overlaps(asked) == patterns.contains { $0.matchesAll(of: asked) || asked.matchesAll(of: $0) },
                "seed \(seed), round \(round): \(asked) in \(patterns)")
        }
    }
}

extension Pattern {
    fileprivate func matchesAll(of other: Pattern) -> Bool {
        isPrefix ? other.text.utf8.starts(with: text.utf8) : self == other
    }
}
