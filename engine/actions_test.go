package engine

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"opsyard/models"
)

// askers are functions that take the name of an action.
var askers = map[string]bool{
	"Authorize": true, "May": true, "administer": true, "onAccount": true, "instanceFor": true, "layerFor": true, "onInstance": true,
	"eachInstance": true, "onBalancer": true, "stackOf": true, "onVolume": true, "onElasticIP": true, "onRdsDbInstance": true,
	"onRollout": true, "deploymentFor": true, "alarmFor": true, "channelFor": true, "pauseChannel": true, "scalingOf": true,
	"changeTags": true, "taggedByARN": true, "onGroup": true, "onPolicy": true, "confirmed": true, "selfManaged": true,
	"withStack": true, "withLayer": true, "withApp": true, "withInstance": true, "withDeployment": true, "withPlan": true,
	"inStackOf": true, "openInstance": true, "openDeployment": true, "may": true, "StacksWhere": true,
}

var actionLike = regexp.MustCompile(`\A[A-Z][a-z]+[A-Za-z]*\z`)

// A misspelt action would be refused to everybody, and only where it is tried.
func TestEveryActionThatIsAskedForIsKnown(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for _, pattern := range []string{"*.go", "../handlers/*.go", "../handlers/awsapi/*.go"} {
		files, err := filepath.Glob(pattern)
		ok(t, err)
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file := must(parser.ParseFile(token.NewFileSet(), name, nil, 0))(t)
			ast.Inspect(file, func(n ast.Node) bool {
				call, is := n.(*ast.CallExpr)
				if !is || !askers[called(call)] {
					return true
				}
				for _, arg := range call.Args {
					lit, is := arg.(*ast.BasicLit)
					if !is || lit.Kind != token.STRING {
						continue
					}
					text := must(strconv.Unquote(lit.Value))(t)
					if !actionLike.MatchString(text) {
						continue
					}
					found[text] = true
					if !models.Action(text).Known() {
						t.Errorf("%s asks for %q, which is no action", name, text)
					}
				}
				return true
			})
		}
	}
	if len(found) < 80 {
		t.Errorf("only %d actions were found", len(found))
	}
}

func called(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.Ident:
		return f.Name
	}
	return ""
}
