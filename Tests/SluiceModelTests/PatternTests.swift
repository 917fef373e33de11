import Testing

@testable import SluiceModel

@Suite struct PatternTests {
    @Test("Patterns are the same only if their bytes are, also where two texts are equal to Unicode")
    func bytes() {
        let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
        #expect(composed == decomposed)
        #expect(Pattern(composed) != Pattern(decomposed))
        #expect(Pattern(composed) == Pattern("caf\u{E9}"))
        #expect(Pattern(composed).hashValue == Pattern("caf\u{E9}").hashValue)
        #expect(Pattern(composed) != Pattern(composed, isPrefix: true))
        #expect(Set([Pattern(composed), Pattern(decomposed), Pattern(spelled: "caf\u{E9}")]).count == 2)
        #expect(
            Condition(dimension: "shop", patterns: [Pattern(composed)])
                != Condition(dimension: "shop", patterns: [Pattern(decomposed)]))
    }
}
