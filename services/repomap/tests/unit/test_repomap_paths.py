"""What paths, and contents, say about files."""

import pytest

from toolmesh_repomap.paths import Role, role_of


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("src/shop/cart.py", Role.CODE),
        ("latest/contest.py", Role.CODE),
        ("src/testing_ground.c", Role.CODE),
        ("src/attest.ts", Role.CODE),
        ("general/gender.go", Role.CODE),
        ("tests/unit/cart.py", Role.TEST),
        ("shop/test_cart.py", Role.TEST),
        ("pkg/cart_test.go", Role.TEST),
        ("web/cart.spec.ts", Role.TEST),
        ("app/src/androidTest/kotlin/Cart.kt", Role.TEST),
        ("src/main/java/CartTests.java", Role.TEST),
        ("spec/cart_spec.rb", Role.TEST),
        ("api/v1/zz_generated.deepcopy.go", Role.GENERATED),
        ("api/cart.pb.go", Role.GENERATED),
        ("api/cart_pb2_grpc.py", Role.GENERATED),
        ("lib/cart.g.dart", Role.GENERATED),
        ("pkg/generated/clientset.go", Role.GENERATED),
        ("packages/web/dist/web.js", Role.GENERATED),
        ("dist/cjs/internal/map.js", Role.GENERATED),
        ("dist/types/internal/map.d.ts", Role.GENERATED),
        ("src/cmd/dist/build.go", Role.CODE),
        ("vendor/x/y.go", Role.VENDORED),
        ("web/node_modules/left/pad.js", Role.VENDORED),
        ("web/vendor/tests/jquery.js", Role.VENDORED),
        ("static/jquery.min.js", Role.VENDORED),
        ("examples/cart.rs", Role.EXAMPLE),
        ("docs/conf.py", Role.EXAMPLE),
    ],
)
def test_roles(path: str, role: Role) -> None:
    """Conventions of many languages and tools are known, and no more than those are taken."""
    assert role_of(path) is role


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("src/shop/cart.py", Role.GENERATED),
        ("shop/test_cart.py", Role.GENERATED),
        ("vendor/x/y.go", Role.VENDORED),
    ],
)
def test_what_a_program_wrote_is_generated(path: str, role: Role) -> None:
    """Content that a program wrote says more than its place, unless others wrote all of it."""
    assert role_of(path, is_made=True) is role
