module github.com/harbinger-ha/harbinger/hack/e2e/tiny

go 1.25
