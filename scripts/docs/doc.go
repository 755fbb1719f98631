// Package docs holds the documents to the code: what they list is complete,
// what they link to is there, and the commands that they show work.
package docs
