// swift-tools-version: 6.2
import PackageDescription

let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
]

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
]

let package = Package(
    name: "sluice",
    products: [
        .library(name: "SluiceClient", targets: ["SluiceClient", "SluiceWire"]),
        .executable(name: "sluiced", targets: ["sluiced"]),
        .executable(name: "sluice", targets: ["sluice"]),
        // What `sluice bench` preloads into the sluiced that it measures.
        .library(name: "sluice-bench-probe", type: .dynamic, targets: ["CBenchProbe"]),
        // What the fault tests preload into a Redis whose clock they move.
        .library(name: "sluice-test-clock", type: .dynamic, targets: ["CTestClock"]),
    ],
    dependencies: [
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift.git", from: "0.2.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.3.0"),
        .package(url: "https://github.com/apple/swift-configuration.git", from: "1.4.0", traits: []),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.0", traits: []),
        .package(url: "https://github.com/jpsim/Yams.git", from: "6.2.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
    ],
    targets: [
        .target(
            name: "LuaScripts",
            path: "lua",
            resources: [
                .embedInCode("names.lua"), .embedInCode("cells.lua"), .embedInCode("sets.lua"),
                .embedInCode("events.lua"), .embedInCode("origins.lua"), .embedInCode("decide.lua"),
                .embedInCode("decide-general.lua"), .embedInCode("decide-judge.lua"),
                .embedInCode("decide-write.lua"), .embedInCode("decide-plain.lua"), .embedInCode("undo.lua"),
                .embedInCode("unblock.lua"), .embedInCode("reset.lua"), .embedInCode("windows.lua"),
                .embedInCode("listings.lua"), .embedInCode("release.lua"), .embedInCode("takeback.lua"),
            ],
            swiftSettings: swiftSettings
        ),
        .target(name: "CBenchProbe"),
        .target(name: "CHiredis", linkerSettings: [.linkedLibrary("hiredis")]),
        .target(
            name: "SluiceModel",
            dependencies: [
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: swiftSettings
        ),
        .target(
            name: "SluiceWire",
            dependencies: [
                "SluiceModel",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            exclude: ["sluice.proto"],
            swiftSettings: swiftSettings
        ),
        .target(
            name: "SluiceEngine",
            dependencies: nio + [
                "CHiredis", "LuaScripts", "SluiceModel", "SluiceWire",
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Yams", package: "Yams"),
            ],
            resources: [.embedInCode("Observe/dashboard.html")],
            swiftSettings: swiftSettings
        ),
        .target(
            name: "SluiceClient",
            dependencies: nio + [
                "SluiceWire",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: swiftSettings
        ),
        .executableTarget(
            name: "sluiced",
            dependencies: [
                "SluiceEngine", "SluiceModel",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: swiftSettings
        ),
        .executableTarget(
            name: "sluice",
            dependencies: nio + [
                "LuaScripts", "SluiceClient", "SluiceEngine", "SluiceModel", "SluiceWire",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: swiftSettings
        ),
        // The reference model and the servers that tests start; no product links them.
        .target(
            name: "SluiceReference",
            dependencies: ["SluiceModel"],
            path: "Tests/SluiceReference",
            swiftSettings: swiftSettings
        ),
        .target(
            name: "TestSupport",
            path: "Tests/TestSupport",
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "SluiceModelTests",
            dependencies: ["SluiceModel", "SluiceReference", "TestSupport"],
            resources: [.copy("Fixtures")],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "SluiceWireTests",
            dependencies: nio + ["SluiceClient", "SluiceWire"],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "SluiceEngineTests",
            dependencies: nio + [
                "LuaScripts", "SluiceClient", "SluiceEngine", "SluiceModel", "SluiceReference", "SluiceWire",
                "TestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
            ],
            swiftSettings: swiftSettings
        ),
        .target(name: "CTestClock", path: "Tests/CTestClock"),
        // Takes minutes and holds real time to account: run by `make test-faults` alone.
        .testTarget(
            name: "SluiceFaultTests",
            dependencies: nio + [
                "LuaScripts", "SluiceClient", "SluiceEngine", "SluiceModel", "SluiceReference", "SluiceWire",
                "TestSupport", "sluiced",
            ],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "SluiceProgramTests",
            dependencies: nio + ["SluiceClient", "SluiceModel", "SluiceWire", "TestSupport", "sluice", "sluiced"],
            resources: [.copy("Fixtures")],
            swiftSettings: swiftSettings
        ),
    ]
)
