// SPDX-License-Identifier: Apache-2.0

//go:build !apiserver

package kubeapi_test

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(runTests(m)) }
