namespace Tessera.Puzzle.Search;

/// <summary>Repairs a selection that misses limits, and improves one that meets them by exchanging one or two layers' columns.</summary>
internal sealed class SwapSearch
{
    private readonly ReducedProblem _problem;
    private readonly int _rows;
    private readonly int[] _byScore;
    private readonly double[] _used;

    public SwapSearch(ReducedProblem problem)
    {
        _problem = problem;
        _rows = problem.RowCount;
        _used = new double[_rows];
        Columns = new int[problem.LayerCount];
        _byScore = [.. Enumerable.Range(0, problem.ColumnCount)];
        for (int layer = 0; layer < problem.LayerCount; layer++)
        {
            Array.Sort(_byScore, problem.Start[layer], problem.Start[layer + 1] - problem.Start[layer], Comparer<int>.Create(Compare));
        }
    }

    /// <summary>The selection, one column a layer.</summary>
    public int[] Columns { get; }

    /// <summary>Starts from a selection.</summary>
    public void Load(ReadOnlySpan<int> columns)
    {
        columns.CopyTo(Columns);
        Array.Clear(_used);
        foreach (int column in Columns)
        {
            for (int row = 0; row < _rows; row++)
            {
                _used[row] += _problem.Cost[(column * _rows) + row];
            }
        }
    }

    /// <summary>Exchanges columns, cheapest in score + λ·cost for the excess they remove, until all limits are met.</summary>
    public bool Repair(ReadOnlySpan<double> multiplier)
    {
        for (int move = 0; move < 4 * _problem.LayerCount; move++)
        {
            double excess = Excess(-1);
            if (excess <= 0)
            {
                return true;
            }

            int best = BestRepair(excess, multiplier);
            if (best < 0)
            {
                return false;
            }

            Exchange(best);
        }

        return Excess(-1) <= 0;
    }

    /// <summary>Exchanges single columns while that lowers the score within the limits.</summary>
    public void ImproveSingles()
    {
        while (true)
        {
            int best = -1;
            double most = -Tie;
            for (int column = 0; column < _problem.ColumnCount; column++)
            {
                double change = _problem.Score[column] - _problem.Score[Columns[_problem.LayerOf[column]]];
                if (change < most && Excess(column) <= 0)
                {
                    (best, most) = (column, change);
                }
            }

            if (best < 0)
            {
                return;
            }

            Exchange(best);
        }
    }

    /// <summary>Exchanges the columns of two layers at once while that lowers the score within the limits.</summary>
    public void ImprovePairs()
    {
        bool improved = true;
        while (improved)
        {
            improved = false;
            ImproveSingles();
            for (int layer = 0; layer < _problem.LayerCount; layer++)
            {
                while (ImprovePair(layer))
                {
                    improved = true;
                }
            }
        }
    }

    private double Tie => Incumbent.TieShare * _problem.ScoreRange;

    private int Compare(int one, int other)
    {
        int order = _problem.Score[one].CompareTo(_problem.Score[other]);
        return order != 0 ? order : one.CompareTo(other);
    }

    private bool ImprovePair(int layer)
    {
        (int first, int second) = (-1, -1);
        double most = -Tie;
        for (int column = _problem.Start[layer]; column < _problem.Start[layer + 1]; column++)
        {
            double change = _problem.Score[column] - _problem.Score[Columns[layer]];
            for (int other = 0; other < _problem.LayerCount && column != Columns[layer]; other++)
            {
                int partner = other == layer ? -1 : Partner(column, change, other, ref most);
                if (partner >= 0)
                {
                    (first, second) = (column, partner);
                }
            }
        }

        if (first < 0)
        {
            return false;
        }

        Exchange(first);
        Exchange(second);
        return true;
    }

    // Columns come in order of score, so the first that fits is the best and the scan ends where none can gain.
    private int Partner(int column, double change, int other, ref double most)
    {
        double current = _problem.Score[Columns[other]];
        for (int index = _problem.Start[other]; index < _problem.Start[other + 1]; index++)
        {
            int partner = _byScore[index];
            double total = change + _problem.Score[partner] - current;
            if (!(total < most))
            {
                return -1;
            }

            if (Fits(column, partner))
            {
                most = total;
                return partner;
            }
        }

        return -1;
    }

    private bool Fits(int column, int partner)
    {
        int old = Columns[_problem.LayerOf[column]];
        int oldPartner = Columns[_problem.LayerOf[partner]];
        double[] cost = _problem.Cost;
        for (int row = 0; row < _rows; row++)
        {
            double used = _used[row] + cost[(column * _rows) + row] - cost[(old * _rows) + row]
                + cost[(partner * _rows) + row] - cost[(oldPartner * _rows) + row];
            if (used > _problem.Limit[row])
            {
                return false;
            }
        }

        return true;
    }

    // The summed excess over the limits if a column replaced its layer's; −1 for the selection as it is.
    private double Excess(int column)
    {
        double excess = 0;
        int old = column < 0 ? -1 : Columns[_problem.LayerOf[column]];
        for (int row = 0; row < _rows; row++)
        {
            double change = column < 0 ? 0 : _problem.Cost[(column * _rows) + row] - _problem.Cost[(old * _rows) + row];
            excess += Math.Max(0, _used[row] + change - _problem.Limit[row]);
        }

        return excess;
    }

    private int BestRepair(double excess, ReadOnlySpan<double> multiplier)
    {
        int best = -1;
        double least = double.PositiveInfinity;
        for (int column = 0; column < _problem.ColumnCount; column++)
        {
            double gain = excess - Excess(column);
            if (gain > 1e-12)
            {
                int old = Columns[_problem.LayerOf[column]];
                double price = Math.Max(Weighted(column, multiplier) - Weighted(old, multiplier), 0) + (1e-6 * _problem.ScoreRange);
                if (price / gain < least)
                {
                    (best, least) = (column, price / gain);
                }
            }
        }

        return best;
    }

    private double Weighted(int column, ReadOnlySpan<double> multiplier)
    {
        double sum = _problem.Score[column];
        for (int row = 0; row < _rows; row++)
        {
            sum += multiplier[row] * _problem.Cost[(column * _rows) + row];
        }

        return sum;
    }

    private void Exchange(int column)
    {
        int layer = _problem.LayerOf[column];
        for (int row = 0; row < _rows; row++)
        {
            _used[row] += _problem.Cost[(column * _rows) + row] - _problem.Cost[(Columns[layer] * _rows) + row];
        }

        Columns[layer] = column;
    }
}
