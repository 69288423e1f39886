using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;

namespace Tessera.Models.Tests;

/// <summary>
/// The whole decoder in scalar double precision, from the formulas and by the names that weights have on disk: no packed
/// projections, no tiles, no cache, angles without an f32 step. The weights are a model's own, widened, so that what is left
/// between the two is arithmetic alone.
/// </summary>
internal sealed unsafe class ReferenceDecoder
{
    private readonly Dictionary<string, double[]> _weights = [];
    private readonly ModelConfiguration _model;

    public ReferenceDecoder(Decoder decoder)
    {
        _model = decoder.Configuration;
        foreach (WeightSlice slice in WeightMap.Slices(decoder))
        {
            var view = slice.Parameter.RowsView(slice.RowStart, slice.Rows);
            var values = new double[(long)slice.Rows * slice.Parameter.Columns];
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = view.Type == DType.BF16 ? Bf16.Widen(view.Halves[i]) : view.Floats[i];
            }

            _weights[slice.Name] = values;
        }
    }

    /// <summary>
    /// What becomes of a number that lies between operations, such as its rounding to bf16 on devices that store it so; nothing by
    /// default. Arithmetic stays double, so this tells how far rounding alone leads a model away from its formulas.
    /// </summary>
    public Func<double, double>? Store { get; init; }

    /// <summary>Logits [tokens, vocabulary] of one document.</summary>
    public double[] Logits(ReadOnlySpan<int> ids)
    {
        double[] embedding = _weights["model.embed_tokens.weight"];
        int hidden = _model.HiddenSize;
        double[][] stream = [.. ids.ToArray().Select(id => embedding.AsSpan(id * hidden, hidden).ToArray())];
        for (int i = 0; i < _model.Layers.Length; i++)
        {
            string prefix = $"model.layers.{i}.";
            Add(stream, Mix(stream, prefix, _model.Layers[i].Mixer));
            Add(stream, Feed(stream, prefix, _model.Layers[i].FeedForward));
        }

        double[] head = _model.TieEmbeddings ? embedding : _weights["lm_head.weight"];
        return [.. stream.SelectMany(row => Multiply(head, Normalise(row, _weights["model.norm.weight"])))];
    }

    private void Add(double[][] stream, double[][]? branch)
    {
        for (int t = 0; branch is not null && t < stream.Length; t++)
        {
            stream[t] = Stored([.. stream[t].Zip(branch[t], (r, b) => r + b)]);
        }
    }

    private double[] Stored(double[] row)
    {
        for (int i = 0; Store is not null && i < row.Length; i++)
        {
            row[i] = Store(row[i]);
        }

        return row;
    }

    private double[][]? Mix(double[][] stream, string prefix, MixerConfiguration mixer)
    {
        if (mixer is NoMixerConfiguration)
        {
            return null;
        }

        double[][] input = [.. stream.Select(row => Normalise(row, _weights[prefix + "input_layernorm.weight"]))];
        if (mixer is LinearMixerConfiguration)
        {
            return [.. input.Select(row => Multiply(_weights[prefix + "self_attn.linear_attn.weight"], row))];
        }

        var attention = (AttentionConfiguration)mixer;
        int headDim = _model.HeadDim, group = _model.HeadCount / attention.KvHeadCount;
        double[][] queries = Heads(input, prefix, "q"), keys = Heads(input, prefix, "k");
        double[][] values = [.. input.Select(row => Linear(prefix + "self_attn.v_proj", row))];
        var output = new double[stream.Length][];
        for (int t = 0; t < stream.Length; t++)
        {
            var attended = new double[_model.HeadCount * headDim];
            for (int h = 0; h < _model.HeadCount; h++)
            {
                int first = attention.Window is { } window ? Math.Max(0, t - window + 1) : 0;
                double[] weights = [.. Enumerable.Range(first, t + 1 - first).Select(j => Score(queries[t], h, keys[j], h / group))];
                double highest = weights.Max(), sum = weights.Sum(w => Math.Exp(w - highest));
                for (int j = 0; j < weights.Length; j++)
                {
                    for (int e = 0; e < headDim; e++)
                    {
                        attended[(h * headDim) + e] += Math.Exp(weights[j] - highest) / sum * values[first + j][(h / group * headDim) + e];
                    }
                }
            }

            output[t] = Linear(prefix + "self_attn.o_proj", Stored(attended));
        }

        return output;
    }

    private double[][]? Feed(double[][] stream, string prefix, FeedForwardConfiguration feedForward)
    {
        if (feedForward is NoFeedForwardConfiguration)
        {
            return null;
        }

        IEnumerable<double[]> input = stream.Select(row => Normalise(row, _weights[prefix + "post_attention_layernorm.weight"]));
        if (feedForward is LinearFeedForwardConfiguration)
        {
            return [.. input.Select(row => Multiply(_weights[prefix + "mlp.linear_mlp.weight"], row))];
        }

        return
        [
            .. input.Select(row => Linear(
                prefix + "mlp.down_proj",
                Stored([.. Linear(prefix + "mlp.gate_proj", row).Zip(Linear(prefix + "mlp.up_proj", row), (g, u) => g / (1 + Math.Exp(-g)) * u)]))),
        ];
    }

    /// <summary>Projected, normalised where the layer has gains, and rotated heads of queries or keys.</summary>
    private double[][] Heads(double[][] input, string prefix, string kind)
    {
        double[][] result = [.. input.Select(row => Linear($"{prefix}self_attn.{kind}_proj", row))];
        _weights.TryGetValue($"{prefix}self_attn.{kind}_norm.weight", out double[]? gain);
        for (int t = 0; t < result.Length; t++)
        {
            for (int h = 0; h < result[t].Length; h += _model.HeadDim)
            {
                Span<double> head = result[t].AsSpan(h, _model.HeadDim);
                if (gain is not null)
                {
                    Normalise(head.ToArray(), gain).CopyTo(head);
                }

                Rotate(head, t);
            }

            Stored(result[t]);
        }

        return result;
    }

    private void Rotate(Span<double> head, int position)
    {
        int half = head.Length / 2;
        double amplitude = _model.RopeScaling is YarnRopeScaling y ? y.GivenAmplitude ?? ((0.1 * Math.Log(y.Factor)) + 1) : 1;
        for (int j = 0; j < half; j++)
        {
            double angle = position * Frequency(j), a = head[j], b = head[j + half];
            head[j] = amplitude * ((a * Math.Cos(angle)) - (b * Math.Sin(angle)));
            head[j + half] = amplitude * ((b * Math.Cos(angle)) + (a * Math.Sin(angle)));
        }
    }

    private double Frequency(int j)
    {
        double f = Math.Pow(_model.RopeTheta, -2.0 * j / _model.HeadDim);
        switch (_model.RopeScaling)
        {
            case LinearRopeScaling linear:
                return f / linear.Factor;
            case Llama3RopeScaling s:
                double turns = s.OriginalMaxPositions * f / (2 * Math.PI);
                double kept = Math.Clamp((turns - s.LowFrequencyFactor) / (s.HighFrequencyFactor - s.LowFrequencyFactor), 0, 1);
                return ((1 - kept) * f / s.Factor) + (kept * f);
            case YarnRopeScaling y:
                double low = Math.Max(0, Math.Floor(Dimension(y.BetaFast))), high = Math.Min(_model.HeadDim - 1, Math.Ceiling(Dimension(y.BetaSlow)));
                double ramp = Math.Clamp((j - low) / (high - low), 0, 1);
                return (ramp * f / y.Factor) + ((1 - ramp) * f);

                double Dimension(double turnsWanted) =>
                    _model.HeadDim / 2.0 * Math.Log(y.OriginalMaxPositions / (2 * Math.PI * turnsWanted), _model.RopeTheta);
            default:
                return f;
        }
    }

    private double Score(double[] queries, int queryHead, double[] keys, int keyHead)
    {
        double sum = 0;
        for (int e = 0; e < _model.HeadDim; e++)
        {
            sum += queries[(queryHead * _model.HeadDim) + e] * keys[(keyHead * _model.HeadDim) + e];
        }

        return sum / Math.Sqrt(_model.HeadDim);
    }

    private double[] Normalise(double[] row, double[] gain)
    {
        double scale = 1 / Math.Sqrt((row.Sum(x => x * x) / row.Length) + _model.RmsNormEpsilon);
        return Stored([.. row.Zip(gain, (x, g) => x * scale * g)]);
    }

    private double[] Linear(string name, double[] input)
    {
        double[] result = Multiply(_weights[name + ".weight"], input);
        return _weights.TryGetValue(name + ".bias", out double[]? bias) ? Stored([.. result.Zip(bias, (y, b) => y + b)]) : result;
    }

    private double[] Multiply(double[] matrix, double[] input)
    {
        var result = new double[matrix.Length / input.Length];
        for (int o = 0; o < result.Length; o++)
        {
            for (int i = 0; i < input.Length; i++)
            {
                result[o] += matrix[(o * input.Length) + i] * input[i];
            }
        }

        return Stored(result);
    }
}
