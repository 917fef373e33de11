/// How the values of one dimension are rewritten before they are matched, listed or counted.
public enum Normalizer: Hashable, Sendable {
    /// A to Z become a to z; all other bytes stay.
    case lower
    /// An IP address is written in its one canonical form, cut to the network of so many leading bits: 1 to 32 for
    /// IPv4, 1 to 128 for IPv6. What is no address stays as it is.
    case ip(v4Prefix: Int, v6Prefix: Int)
}
