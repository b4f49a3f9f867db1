/* See own.h. Leftist heaps: on each node the way down to the right is the shortest one, so it has at most log2 of the
 * nodes, and a merge walks nothing else. */
#include "gateway/order/own.h"

static uint32_t rank_of(const struct own_node *nodes, uint32_t node)
{
    return node != 0 ? nodes[node].rank : 0;
}

/* The shorter way goes to the right. True: the node's rank has changed. */
static bool lean(struct own_node *nodes, uint32_t node)
{
    struct own_node *at = &nodes[node];
    const uint32_t before = at->rank;

    if (rank_of(nodes, at->left) < rank_of(nodes, at->right)) {
        const uint32_t left = at->left;
        at->left = at->right;
        at->right = left;
    }
    at->rank = rank_of(nodes, at->right) + 1;
    return at->rank != before;
}

/* Two heaps to one without a parent: their right ways are zipped downwards, then each node on it leans anew. */
static uint32_t merge(struct own_node *nodes, uint32_t a, uint32_t b)
{
    uint32_t root = 0, last = 0;

    while (a != 0 || b != 0) {
        if (a == 0 || (b != 0 && nodes[b].key < nodes[a].key)) {
            const uint32_t other = a;
            a = b;
            b = other;
        }
        nodes[a].parent = last;
        if (last != 0)
            nodes[last].right = a;
        else
            root = a;
        last = a;
        a = b != 0 ? nodes[a].right : 0; /* nothing to zip with: what hangs below stays */
    }
    for (uint32_t node = last; node != 0; node = nodes[node].parent)
        lean(nodes, node);
    return root;
}

static void root_set(const struct own_node *nodes, struct own_side *side, uint32_t root, bool buy)
{
    side->root = root;
    side->best_price = root == 0 ? MD_PRICE_NONE : buy ? -nodes[root].key : nodes[root].key;
}

void own_insert(struct own_node *nodes, struct own_side *side, uint32_t node, bool buy, int32_t price)
{
    nodes[node] = (struct own_node){.key = buy ? -price : price, .rank = 1};
    root_set(nodes, side, merge(nodes, side->root, node), buy);
}

void own_remove(struct own_node *nodes, struct own_side *side, uint32_t node, bool buy)
{
    const struct own_node gone = nodes[node];

    const uint32_t below = merge(nodes, gone.left, gone.right);
    if (gone.parent == 0) {
        root_set(nodes, side, below, buy);
        return;
    }
    struct own_node *parent = &nodes[gone.parent];
    if (parent->left == node)
        parent->left = below;
    else
        parent->right = below;
    if (below != 0)
        nodes[below].parent = gone.parent;
    for (uint32_t up = gone.parent; up != 0 && lean(nodes, up); up = nodes[up].parent)
        ;
}

void own_merge(struct own_node *nodes, struct own_side *to, struct own_side *from, bool buy)
{
    root_set(nodes, to, merge(nodes, to->root, from->root), buy);
    root_set(nodes, from, 0, buy);
}
