namespace Tessera.Puzzle.Search;

/// <summary>Open nodes, the lowest bound first; beyond a size the newest first, so that memory stays bounded in practice.</summary>
internal sealed class NodeQueue
{
    // About 200 MB of nodes at 80 layers.
    private const int BestFirstLimit = 200_000;
    private readonly PriorityQueue<SearchNode, (double Bound, long Order)> _best = new();
    private readonly Stack<SearchNode> _newest = new();
    private long _order;

    public void Push(SearchNode node)
    {
        if (_best.Count < BestFirstLimit)
        {
            _best.Enqueue(node, (node.Bound, _order++));
        }
        else
        {
            _newest.Push(node);
        }
    }

    public bool TryPop(out SearchNode node)
    {
        if (_newest.TryPop(out SearchNode? newest))
        {
            node = newest;
            return true;
        }

        bool found = _best.TryDequeue(out SearchNode? best, out _);
        node = best!;
        return found;
    }

    /// <summary>The lowest bound of all open nodes, +∞ without any.</summary>
    public double LowestBound()
    {
        double lowest = _best.TryPeek(out SearchNode? best, out _) ? best.Bound : double.PositiveInfinity;
        foreach (SearchNode node in _newest)
        {
            lowest = Math.Min(lowest, node.Bound);
        }

        return lowest;
    }
}
