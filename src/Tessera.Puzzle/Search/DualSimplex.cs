namespace Tessera.Puzzle.Search;

/// <summary>
/// Solves the linear relaxation, which is the Lagrangian dual max over λ ≥ 0 of Σᵢ minⱼ (score + λ·cost) − λ·limit, by a
/// dual simplex method with generalised upper bounds.
/// </summary>
/// <remarks>
/// Every layer has one key column in the basis; what is left is a working basis of one column a row, so a pivot costs one
/// pass over the columns and one small inverse (Dantzig and Van Slyke 1967). The start λ = 0 is dual feasible and so is
/// the parent's basis at a child, hence no first phase. <see cref="Bound"/> is evaluated from λ alone and holds for any
/// λ ≥ 0: rounding or an early stop make it weaker, never wrong.
/// </remarks>
internal sealed class DualSimplex
{
    private const double ValueTolerance = 1e-9;
    private const double PivotTolerance = 1e-9;
    private const int None = -1;
    private const int Rekeyed = -2;
    private readonly ReducedProblem _problem;
    private readonly int _rows;
    private readonly double[] _work;
    private readonly double[] _ray;
    private readonly double[] _inverse;

    public DualSimplex(ReducedProblem problem)
    {
        _problem = problem;
        _rows = problem.RowCount;
        Basis = new Basis(problem.LayerCount, _rows);
        _inverse = new double[_rows * _rows];
        _work = new double[_rows * _rows];
        _ray = new double[_rows];
        Value = new double[_rows];
        KeyValue = new double[problem.LayerCount];
        Multiplier = new double[_rows];
        Forbidden = new bool[problem.ColumnCount];
    }

    /// <summary>The basis; set its contents to start from another one.</summary>
    public Basis Basis { get; }

    /// <summary>Columns that may not be used.</summary>
    public bool[] Forbidden { get; }

    /// <summary>The value of every extra basic column.</summary>
    public double[] Value { get; }

    /// <summary>The value of every layer's key column.</summary>
    public double[] KeyValue { get; }

    /// <summary>λ, one a row, in scaled units.</summary>
    public double[] Multiplier { get; }

    /// <summary>A proven lower bound on the reduced score of the allowed columns.</summary>
    public double Bound { get; private set; }

    /// <summary>Whether the values are an optimal solution of the relaxation.</summary>
    public bool IsOptimal { get; private set; }

    /// <summary>The key columns of least score and all slacks: the basis of λ = 0.</summary>
    public void StartFromScores()
    {
        for (int layer = 0; layer < _problem.LayerCount; layer++)
        {
            int best = -1;
            for (int column = _problem.Start[layer]; column < _problem.Start[layer + 1]; column++)
            {
                if (!Forbidden[column] && (best < 0 || _problem.Score[column] < _problem.Score[best]))
                {
                    best = column;
                }
            }

            Basis.Key[layer] = best;
        }

        for (int row = 0; row < _rows; row++)
        {
            Basis.Extra[row] = Basis.Slack(row);
        }
    }

    /// <summary>
    /// Pivots until optimal, until the bound reaches <paramref name="cutoff"/>, or until no column can repair a row.
    /// Returns false only when the limits are proven to admit no solution, not even a fractional one.
    /// </summary>
    public bool Solve(double cutoff)
    {
        int pivots = 100 + (4 * _problem.ColumnCount);
        IsOptimal = false;
        while (pivots-- > 0 && Refactor())
        {
            if (Objective() >= cutoff && Lagrangian.Bound(_problem, Forbidden, Multiplier) >= cutoff)
            {
                break;
            }

            int leaving = Leaving(out bool decreases);
            if (leaving == None)
            {
                IsOptimal = true;
                break;
            }

            if (leaving >= 0 && !Pivot(leaving, decreases))
            {
                if (IsRayProof())
                {
                    return false;
                }

                break;
            }
        }

        Bound = Lagrangian.Bound(_problem, Forbidden, Multiplier);
        return true;
    }

    /// <summary>Score + λ·cost of a column minus its layer's least: what choosing it adds to the bound at least.</summary>
    public double ReducedCost(int column, double layerLeast) => Weighted(column) - layerLeast;

    /// <summary>Score + λ·cost of a column.</summary>
    public double Weighted(int column)
    {
        double sum = _problem.Score[column];
        ReadOnlySpan<double> costs = _problem.CostsOf(column);
        for (int row = 0; row < _rows; row++)
        {
            sum += Multiplier[row] * costs[row];
        }

        return sum;
    }

    private double Objective()
    {
        double sum = 0;
        foreach (int key in Basis.Key)
        {
            sum += _problem.Score[key];
        }

        for (int row = 0; row < _rows; row++)
        {
            int column = Basis.Extra[row];
            if (column >= 0)
            {
                sum += Value[row] * (_problem.Score[column] - _problem.Score[Basis.Key[_problem.LayerOf[column]]]);
            }
        }

        return sum;
    }

    // The basic variable that is furthest outside its range; a layer's key is exchanged for an extra first.
    private int Leaving(out bool decreases)
    {
        int worst = None;
        double most = ValueTolerance;
        decreases = false;
        for (int row = 0; row < _rows; row++)
        {
            int column = Basis.Extra[row];
            bool isForbidden = column >= 0 && Forbidden[column];
            double outside = isForbidden ? Math.Abs(Value[row]) : -Value[row];
            if (outside > most)
            {
                (most, worst, decreases) = (outside, row, Value[row] > 0);
            }
        }

        int layerOfKey = None;
        for (int layer = 0; layer < KeyValue.Length; layer++)
        {
            double value = KeyValue[layer];
            double outside = Forbidden[Basis.Key[layer]] ? Math.Abs(value) : -value;
            if (outside > most)
            {
                (most, layerOfKey) = (outside, layer);
            }
        }

        return layerOfKey == None ? worst : ExchangeKey(layerOfKey, out decreases);
    }

    // The old key takes the extra's place in the working basis; without an extra the layer just moves to its next best column.
    private int ExchangeKey(int layer, out bool decreases)
    {
        decreases = KeyValue[layer] > 0;
        int best = None;
        for (int row = 0; row < _rows; row++)
        {
            int column = Basis.Extra[row];
            if (column >= 0 && _problem.LayerOf[column] == layer && (best == None || Math.Abs(Value[row]) > Math.Abs(Value[best])))
            {
                best = row;
            }
        }

        if (best == None)
        {
            Basis.Key[layer] = Cheapest(layer);
            return Rekeyed;
        }

        (Basis.Key[layer], Basis.Extra[best]) = (Basis.Extra[best], Basis.Key[layer]);
        Refactor();
        return best;
    }

    private int Cheapest(int layer)
    {
        int best = None;
        double least = double.PositiveInfinity;
        for (int column = _problem.Start[layer]; column < _problem.Start[layer + 1]; column++)
        {
            double weighted = Forbidden[column] ? double.PositiveInfinity : Weighted(column);
            if (weighted < least)
            {
                (best, least) = (column, weighted);
            }
        }

        return best;
    }

    private bool Pivot(int leaving, bool decreases)
    {
        double sign = decreases ? -1 : 1;
        for (int row = 0; row < _rows; row++)
        {
            _ray[row] = sign * _inverse[(leaving * _rows) + row];
        }

        int entering = int.MinValue;
        double leastRatio = double.PositiveInfinity;
        double pivot = 0;
        for (int row = 0; row < _rows; row++)
        {
            if (Basis.Extra[leaving] != Basis.Slack(row))
            {
                Consider(Basis.Slack(row), -_ray[row], Multiplier[row], ref entering, ref leastRatio, ref pivot);
            }
        }

        for (int layer = 0; layer < _problem.LayerCount; layer++)
        {
            int key = Basis.Key[layer];
            (double keyWeighted, double keyAlong) = WeightedAndAlong(key);
            for (int column = _problem.Start[layer]; column < _problem.Start[layer + 1]; column++)
            {
                if (!Forbidden[column] && column != Basis.Extra[leaving])
                {
                    (double weighted, double along) = WeightedAndAlong(column);
                    Consider(column, keyAlong - along, weighted - keyWeighted, ref entering, ref leastRatio, ref pivot);
                }
            }
        }

        if (entering == int.MinValue)
        {
            return false;
        }

        Basis.Extra[leaving] = entering;
        return true;
    }

    // The smallest ratio keeps all reduced costs non-negative; of nearly equal ones the larger pivot is the stabler.
    private static void Consider(int column, double size, double reduced, ref int entering, ref double leastRatio, ref double pivot)
    {
        if (size <= PivotTolerance)
        {
            return;
        }

        double ratio = Math.Max(reduced, 0) / size;
        if (ratio < leastRatio - 1e-12 || (ratio <= leastRatio + 1e-12 && size > pivot))
        {
            (entering, leastRatio, pivot) = (column, Math.Min(ratio, leastRatio), size);
        }
    }

    private (double Weighted, double Along) WeightedAndAlong(int column)
    {
        double weighted = _problem.Score[column];
        double along = 0;
        ReadOnlySpan<double> costs = _problem.Cost.AsSpan(column * _rows, _rows);
        for (int row = 0; row < costs.Length; row++)
        {
            weighted += Multiplier[row] * costs[row];
            along += _ray[row] * costs[row];
        }

        return (weighted, along);
    }

    // Any μ ≥ 0 with Σᵢ minⱼ μ·cost > μ·limit proves that nothing is feasible.
    private bool IsRayProof()
    {
        for (int row = 0; row < _rows; row++)
        {
            _ray[row] = Math.Max(_ray[row], 0);
        }

        return Lagrangian.ProvesInfeasible(_problem, Forbidden, _ray);
    }

    private bool Refactor()
    {
        for (int position = 0; position < _rows; position++)
        {
            int column = Basis.Extra[position];
            for (int row = 0; row < _rows; row++)
            {
                _work[(row * _rows) + position] = column < 0 ? (column == Basis.Slack(row) ? 1 : 0) : Difference(column, row);
            }
        }

        if (!SmallMatrix.Invert(_work, _inverse, _rows))
        {
            return false;
        }

        ComputeValues();
        ComputeMultipliers();
        return true;
    }

    private double Difference(int column, int row) =>
        _problem.Cost[(column * _rows) + row] - _problem.Cost[(Basis.Key[_problem.LayerOf[column]] * _rows) + row];

    private void ComputeValues()
    {
        Span<double> residual = _ray;
        _problem.Limit.CopyTo(residual);
        foreach (int key in Basis.Key)
        {
            ReadOnlySpan<double> costs = _problem.CostsOf(key);
            for (int row = 0; row < _rows; row++)
            {
                residual[row] -= costs[row];
            }
        }

        Array.Fill(KeyValue, 1);
        for (int position = 0; position < _rows; position++)
        {
            double sum = 0;
            for (int row = 0; row < _rows; row++)
            {
                sum += _inverse[(position * _rows) + row] * residual[row];
            }

            Value[position] = sum;
            if (Basis.Extra[position] >= 0)
            {
                KeyValue[_problem.LayerOf[Basis.Extra[position]]] -= sum;
            }
        }
    }

    // λ makes the reduced cost of every extra column zero.
    private void ComputeMultipliers()
    {
        Array.Clear(Multiplier);
        for (int position = 0; position < _rows; position++)
        {
            int column = Basis.Extra[position];
            if (column >= 0)
            {
                double difference = _problem.Score[column] - _problem.Score[Basis.Key[_problem.LayerOf[column]]];
                for (int row = 0; row < _rows; row++)
                {
                    Multiplier[row] -= difference * _inverse[(position * _rows) + row];
                }
            }
        }

        for (int row = 0; row < _rows; row++)
        {
            Multiplier[row] = Math.Max(Multiplier[row], 0);
        }
    }
}
