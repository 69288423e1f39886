namespace Tessera.Puzzle.Search;

/// <summary>
/// A search problem as the solver sees it: every limit a row Σ cost ≤ limit, each layer's scores and costs shifted to a
/// minimum of zero and rows scaled to a layer range of about one, dominated variants left out, all in flat arrays.
/// </summary>
/// <remarks>Column c belongs to layer LayerOf[c]; columns of layer i are Start[i] … Start[i + 1] − 1, in index order.</remarks>
internal sealed class ReducedProblem
{
    private ReducedProblem(SearchProblem source, int rows, List<int>[] kept, List<LimitRow> raw)
    {
        Source = source;
        RowCount = rows;
        LayerCount = kept.Length;
        Start = new int[LayerCount + 1];
        for (int layer = 0; layer < LayerCount; layer++)
        {
            Start[layer + 1] = Start[layer] + kept[layer].Count;
        }

        LayerOf = new int[ColumnCount];
        Original = new int[ColumnCount];
        Score = new double[ColumnCount];
        Cost = new double[ColumnCount * rows];
        Limit = new double[rows];
        RowScale = new double[rows];
        RowResource = new int[rows];
        RowSign = new int[rows];
        Fill(kept, raw);
    }

    private ReducedProblem(ReducedProblem other, bool[] dropped)
    {
        Source = other.Source;
        RowCount = other.RowCount;
        LayerCount = other.LayerCount;
        ScoreOffset = other.ScoreOffset;
        ScoreRange = other.ScoreRange;
        Limit = other.Limit;
        RowScale = other.RowScale;
        RowResource = other.RowResource;
        RowSign = other.RowSign;
        int[] columns = [.. Enumerable.Range(0, other.ColumnCount).Where(column => !dropped[column])];
        Original = [.. columns.Select(column => other.Original[column])];
        LayerOf = [.. columns.Select(column => other.LayerOf[column])];
        Score = [.. columns.Select(column => other.Score[column])];
        Cost = [.. columns.SelectMany(column => other.CostsOf(column).ToArray())];
        Start = new int[LayerCount + 1];
        foreach (int layer in LayerOf)
        {
            Start[layer + 1]++;
        }

        for (int layer = 0; layer < LayerCount; layer++)
        {
            Start[layer + 1] += Start[layer];
        }
    }

    public SearchProblem Source { get; }

    public int LayerCount { get; }

    public int RowCount { get; }

    public int ColumnCount => Start[^1];

    public int[] Start { get; }

    public int[] LayerOf { get; }

    /// <summary>The index of a column's variant in its layer of the source.</summary>
    public int[] Original { get; }

    public double[] Score { get; }

    /// <summary>[columns, rows], at least 0 in every row.</summary>
    public double[] Cost { get; }

    public double[] Limit { get; }

    /// <summary>Source cost = scaled cost · RowScale (up to the layer's shift).</summary>
    public double[] RowScale { get; }

    /// <summary>The resource a row limits, −1 for a diversity row.</summary>
    public int[] RowResource { get; }

    /// <summary>+1 for a maximum, −1 for a minimum.</summary>
    public int[] RowSign { get; }

    /// <summary>Source score = Σ column scores + ScoreOffset.</summary>
    public double ScoreOffset { get; private set; }

    /// <summary>The median layer's range of scores: the yardstick for ties.</summary>
    public double ScoreRange { get; private set; }

    public static ReducedProblem Create(SearchProblem problem)
    {
        List<LimitRow> rows = LimitRow.Of(problem);
        var kept = new List<int>[problem.Layers.Count];
        for (int layer = 0; layer < kept.Length; layer++)
        {
            kept[layer] = Undominated(problem, layer, rows);
        }

        return new ReducedProblem(problem, rows.Count, kept, rows);
    }

    public ReadOnlySpan<double> CostsOf(int column) => Cost.AsSpan(column * RowCount, RowCount);

    /// <summary>The same problem without some columns.</summary>
    public ReducedProblem Without(bool[] dropped) => new(this, dropped);

    /// <summary>The choice indices of the source for one column a layer.</summary>
    public int[] ToChoice(ReadOnlySpan<int> columns)
    {
        var choice = new int[LayerCount];
        for (int layer = 0; layer < LayerCount; layer++)
        {
            choice[layer] = Original[columns[layer]];
        }

        return choice;
    }

    // A variant goes when another is no worse in score and in every row; of equals the first stays.
    private static List<int> Undominated(SearchProblem problem, int layer, List<LimitRow> rows)
    {
        IReadOnlyList<Choice> choices = problem.Layers[layer];
        double[][] figures = new double[choices.Count][];
        for (int choice = 0; choice < figures.Length; choice++)
        {
            int index = choice;
            figures[choice] = [choices[choice].Score, .. rows.Select(row => row.Cost(layer, index))];
        }

        var kept = new List<int>();
        for (int choice = 0; choice < figures.Length; choice++)
        {
            bool dominated = false;
            for (int other = 0; other < figures.Length && !dominated; other++)
            {
                dominated = other != choice && Dominates(figures[other], figures[choice], other < choice);
            }

            if (!dominated)
            {
                kept.Add(choice);
            }
        }

        return kept;
    }

    private static bool Dominates(double[] one, double[] other, bool isFirst)
    {
        bool isBetter = isFirst;
        for (int figure = 0; figure < one.Length; figure++)
        {
            if (one[figure] > other[figure])
            {
                return false;
            }

            isBetter |= one[figure] < other[figure];
        }

        return isBetter;
    }

    private void Fill(List<int>[] kept, List<LimitRow> raw)
    {
        for (int layer = 0; layer < LayerCount; layer++)
        {
            for (int column = Start[layer]; column < Start[layer + 1]; column++)
            {
                LayerOf[column] = layer;
                Original[column] = kept[layer][column - Start[layer]];
                Score[column] = Source.Layers[layer][Original[column]].Score;
            }
        }

        ShiftScores();
        for (int row = 0; row < RowCount; row++)
        {
            FillRow(row, raw[row]);
        }
    }

    private void ShiftScores()
    {
        var ranges = new double[LayerCount];
        for (int layer = 0; layer < LayerCount; layer++)
        {
            Span<double> scores = Score.AsSpan(Start[layer], Start[layer + 1] - Start[layer]);
            double least = double.PositiveInfinity;
            double most = double.NegativeInfinity;
            foreach (double score in scores)
            {
                least = Math.Min(least, score);
                most = Math.Max(most, score);
            }

            foreach (ref double score in scores)
            {
                score -= least;
            }

            ScoreOffset += least;
            ranges[layer] = most - least;
        }

        Array.Sort(ranges);
        double range = LayerCount == 0 ? 0 : ranges[LayerCount / 2];
        ScoreRange = range > 0 ? range : Math.Max(LayerCount == 0 ? 0 : ranges[^1], 1e-300);
    }

    private void FillRow(int row, LimitRow raw)
    {
        double limit = raw.Limit;
        double ranges = 0;
        for (int layer = 0; layer < LayerCount; layer++)
        {
            double least = double.PositiveInfinity;
            double most = double.NegativeInfinity;
            for (int column = Start[layer]; column < Start[layer + 1]; column++)
            {
                double cost = raw.Cost(layer, Original[column]);
                Cost[(column * RowCount) + row] = cost;
                least = Math.Min(least, cost);
                most = Math.Max(most, cost);
            }

            for (int column = Start[layer]; column < Start[layer + 1]; column++)
            {
                Cost[(column * RowCount) + row] -= least;
            }

            limit -= least;
            ranges += most - least;
        }

        double scale = ranges > 0 ? ranges / LayerCount : 1;
        for (int column = 0; column < ColumnCount; column++)
        {
            Cost[(column * RowCount) + row] /= scale;
        }

        Limit[row] = limit / scale;
        RowScale[row] = scale;
        RowResource[row] = raw.Resource;
        RowSign[row] = raw.Sign;
    }
}
