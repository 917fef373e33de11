import Foundation
import Testing

@Suite("The container image and the Kubernetes manifests", .timeLimit(.minutes(2)))
struct DeployManifestTests {
    private static let folder = "deploy/kubernetes"
    private static let kubectl = Program.onPath("kubectl")

    private static func manifest(_ name: String) throws -> JSONValue {
        try #require(try DeployedFiles.yaml("\(folder)/\(name).yaml").first)
    }

    @Test("The service takes the settings and the limits of both examples")
    func examples() throws {
        for limits in ["deploy/kubernetes/limits.yaml", "deploy/limits.yaml"] {
            let check = try Program.sluice.run(["config", "check", DeployedFiles.path(limits)])
            #expect(check.status == 0, "\(check.errors)")
        }
        for settings in ["deploy/kubernetes/sluiced.yaml", "deploy/systemd/sluiced.yaml"] {
            // Settings are checked before limits: a service that complains of limits alone has taken the settings.
            let outcome = try Program.sluiced.run(
                ["--config", DeployedFiles.path(settings), "--limits", "/nowhere/limits.yaml"])
            #expect(outcome.status == 65)
            #expect(
                outcome.errorLines.count == 1 && outcome.errors.contains("/nowhere/limits.yaml:1:1"),
                "\(outcome.errors)")
        }
    }

    @Test("Pods are probed where they answer, drain in time, and see an edit of the limits")
    func deployment() throws {
        let pod = try #require(try Self.manifest("deployment")["spec"]?["template"]?["spec"])
        let container = try #require(pod["containers"]?[0])
        #expect(container["livenessProbe"]?["httpGet"]?["path"] == "/healthz")
        #expect(container["startupProbe"]?["httpGet"]?["path"] == "/healthz")
        #expect(container["readinessProbe"]?["httpGet"]?["path"] == "/readyz")
        #expect(pod["terminationGracePeriodSeconds"] == 30)
        #expect(container["lifecycle"] == nil)

        let mounts = try #require(container["volumeMounts"]?.elements)
        #expect(mounts.allSatisfy { $0["subPath"] == nil })
        #expect(mounts.contains { $0["name"] == "limits" && $0["mountPath"] == "/etc/sluice/limits" })
        let environment = try #require(container["env"]?.elements)
        let redis = environment.first { $0["name"] == "SLUICE_REDIS" }
        #expect(redis?["value"] == nil)
        #expect(redis?["valueFrom"]?["secretKeyRef"]?["name"] == "sluice-redis")
        let http = environment.first { $0["name"] == "SLUICE_HTTP" }?["value"]
        #expect(http == "$(POD_IP):7401")
        #expect(environment.first?["name"] == "POD_IP", "what refers to it stands behind it")
        #expect(pod["enableServiceLinks"] == false)
    }

    @Test("A pod may do what it needs and no more")
    func security() throws {
        let pod = try #require(try Self.manifest("deployment")["spec"]?["template"]?["spec"])
        #expect(pod["automountServiceAccountToken"] == false)
        #expect(pod["securityContext"]?["runAsNonRoot"] == true)
        #expect(pod["securityContext"]?["seccompProfile"]?["type"] == "RuntimeDefault")
        let context = pod["containers"]?[0]?["securityContext"]
        #expect(context?["readOnlyRootFilesystem"] == true)
        #expect(context?["allowPrivilegeEscalation"] == false)
        #expect(context?["capabilities"]?["drop"] == .list(["ALL"]))
        let limits = pod["containers"]?[0]?["resources"]?["limits"]
        #expect(limits?.keys == ["memory"])
    }

    @Test("Every selector names Sluice's pods and no others, and gateways are let in by a label of theirs")
    func selectors() throws {
        let own: JSONValue = .object(["app.kubernetes.io/name": "sluice"])
        let deployment = try Self.manifest("deployment")["spec"]
        #expect(deployment?["selector"]?["matchLabels"] == own)
        #expect(deployment?["template"]?["metadata"]?["labels"] == own)
        #expect(try Self.manifest("service")["spec"]?["selector"] == own)
        #expect(try Self.manifest("disruption")["spec"]?["selector"]?["matchLabels"] == own)
        let network = try Self.manifest("network")["spec"]
        #expect(network?["podSelector"]?["matchLabels"] == own)
        #expect(network?["ingress"]?[0]?["from"]?[0]?["podSelector"]?["matchLabels"]?.keys == ["sluice-client"])
    }

    @Test(
        "kustomize makes every object of them, leaves selectors alone and keeps the name of the limits",
        .enabled(if: kubectl != nil, "kubectl is not here"))
    func kustomize() throws {
        let outcome = try #require(Self.kubectl).run(["kustomize", DeployedFiles.path(Self.folder)])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let folder = try TemporaryFolder()
        let objects = try DeployedFiles.yaml(try folder.file("all.yaml", outcome.output))
        let kinds = objects.compactMap { $0["kind"]?.string }.sorted()
        #expect(kinds == ["ConfigMap", "ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service"])
        #expect(objects.allSatisfy { $0["metadata"]?["namespace"] == nil })
        let maps = objects.filter { $0["kind"] == "ConfigMap" }
        #expect(maps.contains { $0["metadata"]?["name"] == "sluice-limits" && $0["data"]?.keys == ["limits.yaml"] })
        let network = objects.first { $0["kind"] == "NetworkPolicy" }?["spec"]
        #expect(network?["ingress"]?[0]?["from"]?[0]?["podSelector"]?["matchLabels"]?.keys == ["sluice-client"])
        #expect(network?["podSelector"]?["matchLabels"]?.count == 1)
    }

    @Test("The image runs as nobody in particular, ends on SIGTERM, and is built from what it is let see")
    func container() throws {
        let file = try DeployedFiles.text("deploy/Containerfile")
        let lines = file.split(separator: "\n").map(String.init)
        #expect(lines.contains("USER 65532:65532"))
        #expect(lines.contains("STOPSIGNAL SIGTERM"))
        #expect(lines.filter { $0.hasPrefix("HEALTHCHECK ") }.count == 1)
        #expect(lines.filter { !$0.hasPrefix("#") }.allSatisfy { !$0.contains("REDIS") && !$0.contains("://") })
        func patterns(_ name: String) throws -> [String] {
            try DeployedFiles.text(name).split(separator: "\n").filter { !$0.hasPrefix("#") }.map(String.init)
        }
        let seen = try patterns(".containerignore")
        #expect(try patterns("deploy/Containerfile.dockerignore") == seen)
        #expect(seen.first == "*")
        for line in lines where line.hasPrefix("COPY ") && !line.contains("--from") {
            for source in line.split(separator: " ").dropFirst().dropLast() where !source.contains("[") {
                #expect(seen.contains("!\(source)"), "\(source)")
                #expect(FileManager.default.fileExists(atPath: DeployedFiles.path(String(source))))
            }
        }
        // Every folder that the manifest names is there.
        #expect(
            lines.contains("COPY Sources Sources") && lines.contains("COPY lua lua")
                && lines.contains("COPY Tests Tests"))
    }
}
