import SluiceModel
import SwiftProtobuf

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension WireVerdict {
    public init(_ verdict: Verdict) {
        switch verdict {
        case .allow: self = .allow
        case .review: self = .review
        case .challenge: self = .challenge
        case .deny: self = .deny
        }
    }
}

extension Verdict {
    /// Nil for a verdict of a later version.
    public init?(_ wire: WireVerdict) {
        switch wire {
        case .allow: self = .allow
        case .review: self = .review
        case .challenge: self = .challenge
        case .deny: self = .deny
        case .UNRECOGNIZED: return nil
        }
    }
}

extension WireMode {
    public init(_ mode: Mode) {
        switch mode {
        case .check: self = .check
        case .peek: self = .peek
        case .record: self = .record
        }
    }
}

extension Mode {
    /// Nil for a mode of a later version.
    public init?(_ wire: WireMode) {
        switch wire {
        case .check: self = .check
        case .peek: self = .peek
        case .record: self = .record
        case .UNRECOGNIZED: return nil
        }
    }
}

extension WireListing.Kind {
    public init(_ kind: ListKind) {
        switch kind {
        case .deny: self = .deny
        case .allow: self = .allow
        case .watch: self = .watch
        }
    }
}

extension ListKind {
    /// Nil for no list, and for one of a later version.
    public init?(_ wire: WireListing.Kind) {
        switch wire {
        case .deny: self = .deny
        case .allow: self = .allow
        case .watch: self = .watch
        case .remove, .UNRECOGNIZED: return nil
        }
    }
}

extension WireEntity {
    public init(dimension: String, value: some Sequence<UInt8>) {
        self.init()
        self.dimension = dimension
        self.value = Data(value)
    }

    /// An entity whose value is the text's UTF-8.
    public init(_ dimension: String, _ value: String) {
        self.init(dimension: dimension, value: value.utf8)
    }
}

extension WireCheckRequest {
    public init(action: String, entities: [WireEntity], mode: WireMode = .check) {
        self.init()
        self.action = action
        self.entities = entities
        self.mode = mode
    }
}
