namespace Tessera.Training.Data.Blends;

/// <summary>
/// Deals documents of several sources so that every source gets its share of the <em>tokens</em>, phase by phase. The next document comes
/// from the source that is furthest behind: the largest w·max(T, 1) − t, where w is its normalised weight, t its tokens and T all tokens of
/// the phase; the first of equals. Within a phase no source is ahead or behind by more than its longest document and the others' together.
/// </summary>
/// <remarks>
/// Deterministic: document i depends on the sources, the phases and i. Asking for documents in order is fast; going back deals from the
/// beginning, unless <see cref="Restore"/> brings the state. A phase ends with the document that reaches its tokens. Not safe for several
/// threads.
/// </remarks>
public sealed class BlendSource : IPositionedSource
{
    private readonly IReadOnlyList<BlendPart> _parts;
    private readonly IReadOnlyList<BlendPhase> _phases;
    private readonly double[][] _weights;
    private readonly BlendState _before;
    private readonly BlendState _after;
    private TokenDocument? _last;
    private long _next;

    /// <summary>A blend at its beginning.</summary>
    /// <exception cref="ArgumentException">There is no source or phase, a weight is not a number from 0, or the phases do not follow each other.</exception>
    public BlendSource(IReadOnlyList<BlendPart> parts, IReadOnlyList<BlendPhase> phases)
    {
        if (parts.Count == 0 || phases.Count == 0)
        {
            throw new ArgumentException("a blend needs a source and a phase");
        }

        long until = 0;
        for (int i = 0; i < phases.Count; i++)
        {
            var (end, weights) = phases[i];
            if (weights.Count != parts.Count || weights.Any(weight => !(weight >= 0 && double.IsFinite(weight))) || !(weights.Sum() > 0))
            {
                throw new ArgumentException($"phase {i + 1}: expected a weight from 0 for each of {parts.Count} sources, one of them above 0");
            }

            if (end is null ? i < phases.Count - 1 : i == phases.Count - 1 || end <= until)
            {
                throw new ArgumentException($"phase {i + 1}: expected an end beyond {until} tokens, and none for the last phase");
            }

            until = end ?? until;
        }

        _parts = parts;
        _phases = phases;
        _weights = [.. phases.Select(phase => phase.Weights.Select(weight => weight / phase.Weights.Sum()).ToArray())];
        (_before, _after) = (new BlendState(parts.Count), new BlendState(parts.Count));
    }

    /// <summary>Phase of the last document, counted from 0.</summary>
    public int Phase => _after.Phase;

    /// <summary>What was dealt up to the document asked for last, it included.</summary>
    public IReadOnlyList<BlendUse> Uses => UsesOf(_after);

    /// <summary>What was dealt in front of a document: the one that was asked for last, or the next. The same however often a run was stopped.</summary>
    public IReadOnlyList<BlendUse> UsesBefore(long index) => UsesOf(StateBefore(index));

    /// <inheritdoc />
    public TokenDocument Get(long index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        if (index == _next - 1 && _last is not null)
        {
            return _last;
        }

        if (index < _next)
        {
            _before.Reset();
            _after.Reset();
            _next = 0;
        }

        while (_next <= index)
        {
            Deal();
        }

        return _last!;
    }

    /// <inheritdoc />
    public string PositionBefore(long index) => StateBefore(index).ToString();

    /// <inheritdoc />
    public void Restore(long index, string position)
    {
        var state = new BlendState(_parts.Count);
        if (!state.TryParse(position, _phases.Count) || state.Documents.Sum() != index)
        {
            throw new InvalidDataException($"position '{(position.Length > 60 ? position[..60] : position)}' is not one of this blend at document {index}");
        }

        _after.CopyFrom(state);
        _last = null;
        _next = index;
    }

    private BlendState StateBefore(long index) =>
        index == _next ? _after
        : index == _next - 1 && _last is not null ? _before
        : throw new ArgumentOutOfRangeException(nameof(index), index, $"the blend stands at document {_next}");

    private List<BlendUse> UsesOf(BlendState state) => [.. _parts.Select((part, i) => new BlendUse(
        part.Name, state.Documents[i], state.Tokens[i], part.Count is { } count ? (double)state.Documents[i] / count : null))];

    private void Deal()
    {
        _before.CopyFrom(_after);
        long dealt = _after.Tokens.Sum();
        while (_phases[_after.Phase].Until is { } until && dealt >= until)
        {
            _after.Phase++;
            Array.Clear(_after.PhaseTokens);
        }

        int source = FurthestBehind();
        _last = _parts[source].Documents.Get(_after.Documents[source]);
        _after.Documents[source]++;
        _after.Tokens[source] += _last.Ids.Length;
        _after.PhaseTokens[source] += _last.Ids.Length;
        _next++;
    }

    private int FurthestBehind()
    {
        double[] weights = _weights[_after.Phase];
        double total = Math.Max(_after.PhaseTokens.Sum(), 1);
        int chosen = -1;
        double most = double.NegativeInfinity;
        for (int i = 0; i < weights.Length; i++)
        {
            double behind = (weights[i] * total) - _after.PhaseTokens[i];
            if (weights[i] > 0 && behind > most)
            {
                (chosen, most) = (i, behind);
            }
        }

        return chosen;
    }
}
