package kubernetes

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/capture-keepalive/capture-keepalive/server/config"
)

// manifests are what kustomize makes of this folder.
type manifests struct {
	deployment apps.Deployment
	services   map[string]core.Service
	settings   core.ConfigMap
	budget     policy.PodDisruptionBudget
	network    networking.NetworkPolicy
}

// render runs kustomize and decodes strictly: a field that the API does not
// have is an error, as kubectl would have it.
func render(t *testing.T) manifests {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), ".")
	if err != nil {
		t.Fatal(err)
	}
	m := manifests{services: make(map[string]core.Service)}
	for _, resource := range resources.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		decode := func(into any) {
			t.Helper()
			if err := yaml.UnmarshalStrict(text, into); err != nil {
				t.Fatalf("%s: %v\n%s", resource.GetKind(), err, text)
			}
		}
		if resource.GetNamespace() != "keepalive" {
			t.Errorf("%s %s is in namespace %q", resource.GetKind(), resource.GetName(), resource.GetNamespace())
		}
		switch kind := resource.GetKind(); kind {
		case "Deployment":
			decode(&m.deployment)
		case "Service":
			var service core.Service
			decode(&service)
			m.services[service.Name] = service
		case "ConfigMap":
			decode(&m.settings)
		case "PodDisruptionBudget":
			decode(&m.budget)
		case "NetworkPolicy":
			decode(&m.network)
		default:
			t.Errorf("no test knows kind %s", kind)
		}
	}
	return m
}

func (m manifests) pod() core.PodSpec         { return m.deployment.Spec.Template.Spec }
func (m manifests) container() core.Container { return m.pod().Containers[0] }

// Everything that selects pods selects those of the deployment, and only them.
func TestSelectors(t *testing.T) {
	m := render(t)
	labels := m.deployment.Spec.Template.Labels
	selectors := map[string]map[string]string{
		"the deployment":        m.deployment.Spec.Selector.MatchLabels,
		"the disruption budget": m.budget.Spec.Selector.MatchLabels,
		"the network policy":    m.network.Spec.PodSelector.MatchLabels,
		"the spread":            m.pod().TopologySpreadConstraints[0].LabelSelector.MatchLabels,
	}
	for name, service := range m.services {
		selectors["service "+name] = service.Spec.Selector
	}
	for what, selector := range selectors {
		if len(selector) == 0 || !maps.Equal(selector, labels) {
			t.Errorf("%s selects %v, the pods have %v", what, selector, labels)
		}
	}
	if *m.deployment.Spec.Replicas != 2 || m.budget.Spec.MinAvailable.IntValue() != 1 {
		t.Errorf("%d replicas, of which %v stay: want 2, and 1", *m.deployment.Spec.Replicas,
			m.budget.Spec.MinAvailable)
	}
}

// Ports are named in one place and used by these names.
func TestPorts(t *testing.T) {
	m := render(t)
	ports := make(map[string]int32)
	for _, port := range m.container().Ports {
		ports[port.Name] = port.ContainerPort
	}
	if want := map[string]int32{"public": 8080, "admin": 9090}; !maps.Equal(ports, want) {
		t.Errorf("the container has ports %v, want %v", ports, want)
	}
	for service, port := range map[string]string{"capture-keepalive": "public", "capture-keepalive-admin": "admin"} {
		got := m.services[service].Spec.Ports
		if len(got) != 1 || got[0].TargetPort != intstr.FromString(port) || got[0].Port != ports[port] {
			t.Errorf("service %s has ports %+v, want %s alone", service, got, port)
		}
	}
	for path, probe := range map[string]*core.Probe{"/readyz": m.container().ReadinessProbe,
		"/healthz": m.container().LivenessProbe} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != path ||
			probe.HTTPGet.Port != intstr.FromString("admin") {
			t.Errorf("the probe for %s is %+v", path, probe)
		}
	}
}

// The admin port answers only namespaces that are named.
func TestNetworkPolicy(t *testing.T) {
	m := render(t)
	if !slices.Equal(m.network.Spec.PolicyTypes, []networking.PolicyType{networking.PolicyTypeIngress}) {
		t.Errorf("the policy is for %v", m.network.Spec.PolicyTypes)
	}
	opened := make(map[string]bool)
	for _, rule := range m.network.Spec.Ingress {
		if len(rule.Ports) == 0 || len(rule.From) == 0 {
			t.Errorf("a rule opens all ports or is for everybody: %+v", rule)
		}
		for _, port := range rule.Ports {
			opened[port.Port.StrVal] = true
		}
		for _, peer := range rule.From {
			if peer.NamespaceSelector == nil || len(peer.NamespaceSelector.MatchLabels) == 0 {
				t.Errorf("a rule is for everybody: %+v", peer)
			}
		}
	}
	if want := map[string]bool{"public": true, "admin": true}; !maps.Equal(opened, want) {
		t.Errorf("the policy opens %v, want %v", opened, want)
	}
}

// The pod passes the "restricted" standard of Kubernetes, and more.
func TestSecurityContext(t *testing.T) {
	m := render(t)
	pod, container := m.pod().SecurityContext, m.container().SecurityContext
	for what, ok := range map[string]bool{
		"not root":                *pod.RunAsNonRoot && *pod.RunAsUser == 65532 && *pod.RunAsGroup == 65532,
		"the runtime's seccomp":   pod.SeccompProfile.Type == core.SeccompProfileTypeRuntimeDefault,
		"no more privileges":      !*container.AllowPrivilegeEscalation,
		"a read-only file system": *container.ReadOnlyRootFilesystem,
		"no capability": slices.Equal(container.Capabilities.Drop,
			[]core.Capability{"ALL"}) && container.Capabilities.Add == nil,
		"no token of Kubernetes":   !*m.pod().AutomountServiceAccountToken,
		"no variables of services": !*m.pod().EnableServiceLinks,
	} {
		if !ok {
			t.Errorf("the pod does not have: %s", what)
		}
	}
}

// The server takes the environment as the pod has it, with secrets from files
// that the documented command makes.
func TestServerTakesTheSettings(t *testing.T) {
	m := render(t)
	if from := m.container().EnvFrom; len(from) != 1 || from[0].ConfigMapRef.Name != m.settings.Name {
		t.Fatalf("the container reads %+v, the settings are %s", from, m.settings.Name)
	}
	dir := t.TempDir()
	secrets := map[string]string{
		"keys":                 "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
		"issuer-client-secret": "secret",
		"store":                "rediss://:password@redis.example.com:6379/0",
	}
	for name, content := range secrets {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mount := m.container().VolumeMounts[0]
	secret := m.pod().Volumes[0].Secret
	if mount.MountPath != "/etc/capture-keepalive" || mount.Name != m.pod().Volumes[0].Name ||
		*secret.DefaultMode != 0o440 {
		t.Errorf("the secrets are mounted as %+v of %+v", mount, secret)
	}
	var environment []string
	for name, value := range m.settings.Data {
		environment = append(environment, name+"="+value)
	}
	for _, variable := range m.container().Env {
		environment = append(environment, variable.Name+"="+strings.Replace(variable.Value, mount.MountPath, dir, 1))
	}
	read, err := config.Read(environment)
	if err != nil {
		t.Fatalf("the server refuses the settings: %v", err)
	}
	if read.Listen != "0.0.0.0:8080" || read.AdminListen != "0.0.0.0:9090" {
		t.Errorf("it listens on %s and %s", read.Listen, read.AdminListen)
	}
	grace := time.Duration(*m.pod().TerminationGracePeriodSeconds) * time.Second
	if needs := read.ShutdownDelay + config.DrainTimeout; read.ShutdownDelay < 5*time.Second ||
		grace < needs+5*time.Second {
		t.Errorf("stopping takes up to %s, of which %s are SHUTDOWN_DELAY: the pod has %s", needs,
			read.ShutdownDelay, grace)
	}
	if len(m.container().Env) != len(secrets) {
		t.Errorf("%d variables name files, the secret has %d", len(m.container().Env), len(secrets))
	}
	page, err := os.ReadFile("../../../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range secrets {
		if !regexp.MustCompile(`--from-(file|literal)="?` + name + `[="]`).Match(page) {
			t.Errorf("docs/kubernetes.md does not make %s in the secret", name)
		}
	}
}
