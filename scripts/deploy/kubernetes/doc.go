// Package kubernetes holds the manifests for Kubernetes to what
// docs/kubernetes.md says of them.
package kubernetes
