import ArgumentParser
import SluiceModel

/// A length of time on the command line, spelled as in the limits file: `500ms`, `10s`, `1m`, `2h`, `1d`.
struct DurationArgument: ExpressibleByArgument {
    var ms: UInt64

    init?(argument: String) {
        guard let ms = DurationText.parseMs(argument) else { return nil }
        self.ms = ms
    }
}
