import ArgumentParser

struct BlockCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "block",
        abstract: "Put an entity on the deny list.",
        discussion: """
            Every check that names the entity is denied, whatever the limits say, until the time is over or \
            sluice unblock takes it off. In force at once in the service that is asked, and within a second in all \
            others that share its Redis.

              $ sluice block user=u17 --for 1h --reason "card testing, case 8812"
              $ sluice block device=9f3c
              $ sluice block ip=203.0.113.0/24 --for 1d   where the limits declare ip as type ip

            Where several lists apply, deny wins over allow, and allow over watch. An entity is on one list: a second \
            word about it replaces the first. Who asked and why is shown by sluice listings, and stands in the \
            service's log.
            """
    )

    @OptionGroup var listing: ListingOptions

    func run() async throws { try await listing.put(on: .deny) }
}

struct AllowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "allow",
        abstract: "Put an entity on the allow list.",
        discussion: """
            Every check that names the entity is allowed, whatever the limits say, and still counted: an entity that \
            comes off the list finds its limits as full as what it did has made them. The deny list wins over it.

              $ sluice allow user=probe --reason "synthetic monitoring"
              $ sluice allow merchant=m4 --for 2h --reason "flash sale"
            """
    )

    @OptionGroup var listing: ListingOptions

    func run() async throws { try await listing.put(on: .allow) }
}

struct WatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Put an entity on the watch list.",
        discussion: """
            Every check that names the entity is answered with review at least. Limits that say more than that still \
            do; the deny and the allow list win over it.

              $ sluice watch merchant=m-new --for 30d --reason "new merchant"
            """
    )

    @OptionGroup var listing: ListingOptions

    func run() async throws { try await listing.put(on: .watch) }
}
