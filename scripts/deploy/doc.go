// Package deploy holds configurations for what stands in front of the server.
// Its tests run them for real, so that what is documented is what is tested.
package deploy
