using Tessera.Runs;

namespace Tessera.Training;

/// <summary>
/// Ends a run after so many validations without a better loss. What it knows it reads from the run's metrics, so a run that was killed
/// stops at the step where one left alone stops.
/// </summary>
/// <param name="patience">Validations without a better loss that end the run; 0 for never.</param>
/// <param name="after">Validations count behind this step.</param>
internal sealed class EarlyStop(int patience, int after)
{
    /// <summary>The figure that is judged, in the metrics.</summary>
    public const string Figure = "validation.loss";

    private double _best = double.PositiveInfinity;
    private int _since;

    /// <summary>Whether validations are judged at all.</summary>
    public bool IsOn => patience > 0;

    /// <summary>Step of the least loss; 0 before the first.</summary>
    public int BestStep { get; private set; }

    /// <summary>Whether patience has run out.</summary>
    public bool IsOver => IsOn && _since >= patience;

    /// <summary>Goes on where a run stopped.</summary>
    /// <param name="metrics">The run's metrics.</param>
    /// <param name="steps">Steps done; later rows are those of a process that was killed.</param>
    public void Restore(string metrics, int steps)
    {
        if (!IsOn || steps == 0 || !File.Exists(metrics))
        {
            return;
        }

        foreach (var row in MetricsWriter.Read(metrics).Where(row => row.Step <= steps && row.Values.ContainsKey(Figure)))
        {
            Add((int)row.Step, row.Values[Figure]);
        }
    }

    /// <summary>Takes a validation in.</summary>
    /// <returns>Whether it is the best so far.</returns>
    public bool Add(int step, double loss)
    {
        if (!IsOn || step <= after)
        {
            return false;
        }

        _since++;
        if (!(loss < _best))
        {
            return false;
        }

        (_best, BestStep, _since) = (loss, step, 0);
        return true;
    }
}
