using System.Diagnostics;

namespace Tessera.Puzzle.Search;

/// <summary>Branch and bound over layers on a reduced problem.</summary>
/// <remarks>
/// Invariants: every solution better than the incumbent's cutoff lies in an open node; <see cref="PrunedBound"/> is the
/// least bound with which anything was discarded, so min(open bounds, pruned bound, incumbent) is a proven lower bound.
/// A node splits one layer's allowed columns in two at the relaxation's mean of λ·cost; the layer is the one among the
/// fractional layers (at most one a limit) whose two relaxations rise most. Order of nodes: the better child first, then
/// the lowest bound, ties by age, hence the same tree every run.
/// </remarks>
internal sealed class TreeSearch
{
    private const double Integral = 1e-7;
    private const int MostCandidates = 4;
    private readonly ReducedProblem _problem;
    private readonly Incumbent _incumbent;
    private readonly DualSimplex _simplex;
    private readonly SwapSearch _swaps;
    private readonly NodeQueue _open = new();
    private readonly double[] _least;
    private readonly int[] _cheapest;

    public TreeSearch(ReducedProblem problem, Incumbent incumbent, double prunedBound)
    {
        _problem = problem;
        _incumbent = incumbent;
        _simplex = new DualSimplex(problem);
        _swaps = new SwapSearch(problem);
        _least = new double[problem.LayerCount];
        _cheapest = new int[problem.LayerCount];
        PrunedBound = prunedBound;
    }

    /// <summary>Nodes expanded.</summary>
    public long Nodes { get; private set; }

    /// <summary>The least bound with which a node or a column was discarded.</summary>
    public double PrunedBound { get; private set; }

    /// <summary>The lowest bound of what was left open, +∞ when the tree is exhausted.</summary>
    public double OpenBound { get; private set; }

    /// <summary>Searches until nothing is open or a limit strikes.</summary>
    public void Run(Stopwatch clock, SearchOptions options)
    {
        _simplex.StartFromScores();
        if (!_simplex.Solve(double.PositiveInfinity))
        {
            OpenBound = double.PositiveInfinity;
            return;
        }

        SearchNode? node = new(null, [], _simplex.Bound, _simplex.Basis.Copy());
        while (node is not null || _open.TryPop(out node))
        {
            if (node.Bound >= _incumbent.Cutoff)
            {
                PrunedBound = Math.Min(PrunedBound, node.Bound);
                node = null;
                continue;
            }

            if (Nodes >= options.NodeLimit || clock.Elapsed > options.TimeLimit)
            {
                OpenBound = Math.Min(node.Bound, _open.LowestBound());
                return;
            }

            node = Expand(node);
        }

        OpenBound = double.PositiveInfinity;
    }

    // Returns the child to go on with; the other one, if any, is put among the open nodes.
    private SearchNode? Expand(SearchNode node)
    {
        Nodes++;
        Load(node);
        if (!_simplex.Solve(double.PositiveInfinity))
        {
            return null;
        }

        double bound = Math.Max(node.Bound, _simplex.Bound);
        TryRounding();
        if (bound >= _incumbent.Cutoff || IsSolved())
        {
            PrunedBound = Math.Min(PrunedBound, bound);
            return null;
        }

        int[] discarded = Discard(bound);
        Split? best = BestSplit(bound);
        if (best is null)
        {
            OfferOnlySelection();
            return null;
        }

        SearchNode? lower = Child(node, discarded, best.Low);
        SearchNode? upper = Child(node, discarded, best.High);
        if (lower is not null && upper is not null)
        {
            (lower, upper) = upper.Bound < lower.Bound ? (upper, lower) : (lower, upper);
            _open.Push(upper);
        }

        return lower ?? upper;
    }

    // Every layer has one column left.
    private void OfferOnlySelection()
    {
        for (int layer = 0; layer < _problem.LayerCount; layer++)
        {
            _cheapest[layer] = Allowed(layer, _ => true)[0];
        }

        _incumbent.Offer(_problem, _cheapest);
    }

    private void Load(SearchNode node)
    {
        Array.Clear(_simplex.Forbidden);
        for (SearchNode? ancestor = node; ancestor is not null; ancestor = ancestor.Parent)
        {
            foreach (int column in ancestor.Forbidden)
            {
                _simplex.Forbidden[column] = true;
            }
        }

        _simplex.Basis.CopyFrom(node.Basis);
    }

    // An integral optimum of the relaxation that was accepted (or beaten) leaves nothing better in the node.
    private bool IsSolved()
    {
        return _simplex.IsOptimal && FractionalLayers().Count == 0
            && _incumbent.ReducedScore <= _simplex.Bound + (Incumbent.TieShare * _problem.ScoreRange);
    }

    private List<int> FractionalLayers()
    {
        var layers = new List<int>();
        foreach (int column in _simplex.Basis.Extra)
        {
            if (column >= 0 && !layers.Contains(_problem.LayerOf[column]))
            {
                double key = _simplex.KeyValue[_problem.LayerOf[column]];
                if (Math.Abs(key - Math.Round(key)) > Integral || HasFraction(_problem.LayerOf[column]))
                {
                    layers.Add(_problem.LayerOf[column]);
                }
            }
        }

        return layers;
    }

    private bool HasFraction(int layer)
    {
        for (int row = 0; row < _problem.RowCount; row++)
        {
            int column = _simplex.Basis.Extra[row];
            double value = _simplex.Value[row];
            if (column >= 0 && _problem.LayerOf[column] == layer && Math.Abs(value - Math.Round(value)) > Integral)
            {
                return true;
            }
        }

        return false;
    }

    // Columns whose reduced cost lifts the bound to the cutoff cannot be part of a better solution below this node.
    private int[] Discard(double bound)
    {
        Lagrangian.Minima(_problem, _simplex.Forbidden, _simplex.Multiplier, _least, _cheapest);
        var discarded = new List<int>();
        for (int column = 0; column < _problem.ColumnCount; column++)
        {
            if (!_simplex.Forbidden[column])
            {
                double lifted = _simplex.Bound + _simplex.ReducedCost(column, _least[_problem.LayerOf[column]]);
                if (lifted >= _incumbent.Cutoff && column != _cheapest[_problem.LayerOf[column]])
                {
                    PrunedBound = Math.Min(PrunedBound, Math.Max(bound, lifted));
                    _simplex.Forbidden[column] = true;
                    discarded.Add(column);
                }
            }
        }

        return [.. discarded];
    }

    private void TryRounding()
    {
        for (int layer = 0; layer < _problem.LayerCount; layer++)
        {
            _cheapest[layer] = LargestShare(layer);
        }

        bool improved = _incumbent.Offer(_problem, _cheapest);
        if (improved || Nodes <= 64 || Nodes % 16 == 0)
        {
            _swaps.Load(_cheapest);
            if (_swaps.Repair(_simplex.Multiplier))
            {
                _swaps.ImproveSingles();
                if (improved || Nodes % 64 == 1)
                {
                    _swaps.ImprovePairs();
                }

                _incumbent.Offer(_problem, _swaps.Columns);
            }
        }
    }

    private int LargestShare(int layer)
    {
        int best = _simplex.Basis.Key[layer];
        double most = _simplex.KeyValue[layer];
        for (int row = 0; row < _problem.RowCount; row++)
        {
            int column = _simplex.Basis.Extra[row];
            if (column >= 0 && _problem.LayerOf[column] == layer && _simplex.Value[row] > most)
            {
                (best, most) = (column, _simplex.Value[row]);
            }
        }

        return best;
    }

    private Split? BestSplit(double bound)
    {
        var splits = new List<(int[] Low, int[] High)>();
        foreach (int layer in FractionalLayers().Take(MostCandidates))
        {
            // A relaxation that was stopped early may put weight on forbidden columns: such a layer cannot be split.
            (int[] low, int[] high) = SplitAtMean(layer);
            if (low.Length > 0 && high.Length > 0)
            {
                splits.Add((low, high));
            }
        }

        if (splits.Count == 0)
        {
            int widest = WidestLayer();
            if (widest < 0)
            {
                return null;
            }

            int[] allowed = Allowed(widest, _ => true);
            splits.Add((allowed[..(allowed.Length / 2)], allowed[(allowed.Length / 2)..]));
        }

        Basis start = _simplex.Basis.Copy();
        Split? best = null;
        foreach ((int[] low, int[] high) in splits)
        {
            Half lower = Relax(start, high, bound);
            Half upper = Relax(start, low, bound);
            double merit = Merit(lower, bound) * Merit(upper, bound);
            if (best is null || merit > best.Merit)
            {
                best = new Split(lower, upper, merit);
            }
        }

        return best;
    }

    private double Merit(Half half, double bound) =>
        Math.Min(half.Bound, _incumbent.Cutoff) is var rise && double.IsPositiveInfinity(rise)
            ? 1e6 * _problem.ScoreRange
            : Math.Max(rise - bound, 1e-9 * _problem.ScoreRange);

    private Half Relax(Basis start, int[] forbidden, double bound)
    {
        foreach (int column in forbidden)
        {
            _simplex.Forbidden[column] = true;
        }

        _simplex.Basis.CopyFrom(start);
        bool isPossible = _simplex.Solve(_incumbent.Cutoff);
        foreach (int column in forbidden)
        {
            _simplex.Forbidden[column] = false;
        }

        return new Half(forbidden, isPossible ? Math.Max(bound, _simplex.Bound) : double.PositiveInfinity, _simplex.Basis.Copy());
    }

    private SearchNode? Child(SearchNode parent, int[] discarded, Half half)
    {
        if (half.Bound >= _incumbent.Cutoff)
        {
            PrunedBound = Math.Min(PrunedBound, half.Bound);
            return null;
        }

        return double.IsPositiveInfinity(half.Bound)
            ? null
            : new SearchNode(parent, [.. discarded, .. half.Forbidden], half.Bound, half.Basis);
    }

    // Columns with λ·cost up to the fractional mean against those above: both sides cut the fractional point off.
    private (int[] Low, int[] High) SplitAtMean(int layer)
    {
        double mean = _simplex.KeyValue[layer] * PriceOf(_simplex.Basis.Key[layer]);
        for (int row = 0; row < _problem.RowCount; row++)
        {
            int column = _simplex.Basis.Extra[row];
            if (column >= 0 && _problem.LayerOf[column] == layer)
            {
                mean += _simplex.Value[row] * PriceOf(column);
            }
        }

        int[] low = Allowed(layer, column => PriceOf(column) <= mean);
        int[] high = Allowed(layer, column => PriceOf(column) > mean);
        return SeparatesBasis(layer, low) ? (low, high) : SplitKey(layer);
    }

    private bool SeparatesBasis(int layer, int[] low)
    {
        bool isKeyLow = low.Contains(_simplex.Basis.Key[layer]);
        foreach (int column in _simplex.Basis.Extra)
        {
            if (column >= 0 && _problem.LayerOf[column] == layer && low.Contains(column) != isKeyLow)
            {
                return true;
            }
        }

        return false;
    }

    private (int[] Low, int[] High) SplitKey(int layer)
    {
        int key = _simplex.Basis.Key[layer];
        return ([key], Allowed(layer, column => column != key));
    }

    private int[] Allowed(int layer, Func<int, bool> predicate)
    {
        return [.. Enumerable.Range(_problem.Start[layer], _problem.Start[layer + 1] - _problem.Start[layer])
            .Where(column => !_simplex.Forbidden[column] && predicate(column))];
    }

    private double PriceOf(int column) => _simplex.Weighted(column) - _problem.Score[column];

    private int WidestLayer()
    {
        int widest = -1;
        int most = 1;
        for (int layer = 0; layer < _problem.LayerCount; layer++)
        {
            int count = Allowed(layer, _ => true).Length;
            if (count > most)
            {
                (widest, most) = (layer, count);
            }
        }

        return widest;
    }

    private sealed record Half(int[] Forbidden, double Bound, Basis Basis);

    private sealed record Split(Half Low, Half High, double Merit);
}
