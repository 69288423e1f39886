using Tessera.Devices;
using Tessera.Kernels;

namespace Tessera.Device.Tests;

/// <summary>A projection with the weights of its epilogue on a card, and the reference's answer.</summary>
internal sealed unsafe class EpilogueProblem : IDisposable
{
    private const double Theta = 10_000;
    private const int TablePositions = 200;
    private const double ForwardBound = 1e-6;
    private const double BackwardBound = 3e-6;

    private readonly CudaDevice _device;
    private readonly AttentionShape _shape;
    private readonly int _tokens;
    private readonly RopeTable _table;
    private readonly int[] _ids;
    private readonly DeviceArray<int> _positions;
    private readonly DeviceBuffer _rows;
    private readonly DeviceBuffer _gradient;
    private readonly DeviceBuffer _normInput;
    private readonly DeviceBuffer _inverse;
    private readonly DeviceBuffer?[] _weights;
    private readonly DeviceBuffer?[] _gradients;

    public EpilogueProblem(
        CudaDevice device, AttentionShape shape, int tokens, DType type, DType? bias, DType? gain, DType gradientType)
    {
        (_device, _shape, _tokens) = (device, shape, tokens);
        _table = new RopeTable(shape.HeadDim, Theta, null, TablePositions, device.Memory);
        _ids = RowCases.Ids(tokens, TablePositions, 4);
        _positions = new DeviceArray<int>(device, _ids);
        int normed = shape.Heads + shape.KvHeads;
        _rows = DeviceBuffer.Random(device, type, (long)tokens * shape.PackedWidth, 1);
        _gradient = DeviceBuffer.Random(device, type, (long)tokens * shape.PackedWidth, 2);
        _normInput = new DeviceBuffer(device, type, (long)tokens * normed * shape.HeadDim);
        _inverse = new DeviceBuffer(device, DType.F32, (long)tokens * normed);
        _weights =
        [
            bias is { } b ? DeviceBuffer.Random(device, b, shape.PackedWidth, 3) : null,
            gain is { } g ? DeviceBuffer.Random(device, g, shape.HeadDim, 4) : null,
            gain is { } k ? DeviceBuffer.Random(device, k, shape.HeadDim, 5) : null,
        ];
        _gradients =
        [
            bias is null ? null : DeviceBuffer.Random(device, gradientType, shape.PackedWidth, 6),
            gain is null ? null : DeviceBuffer.Random(device, gradientType, shape.HeadDim, 7),
            gain is null ? null : DeviceBuffer.Random(device, gradientType, shape.HeadDim, 8),
        ];
    }

    public void AssertMatchesReference(float epsilon)
    {
        string what = $"{_shape}, {_tokens} tokens, bias {_weights[0] is not null}, norms {_weights[1] is not null}";
        int width = _shape.PackedWidth, normed = (_shape.Heads + _shape.KvHeads) * _shape.HeadDim;
        double[] start = _rows.ReadWide(), forward = _rows.ReadWide(), backward = _gradient.ReadWide();
        double[] bias = Wide(_weights[0]), query = Wide(_weights[1]), key = Wide(_weights[2]);
        double[] gradBias = Wide(_gradients[0]), gradQuery = Wide(_gradients[1]), gradKey = Wide(_gradients[2]);
        double[] frequencies = RopeTable.InverseFrequencies(_shape.HeadDim, Theta, null);

        // The norm works on bias and projection as they are saved: the reference is given their rounded sum in its own place.
        if (query.Length > 0 && bias.Length > 0)
        {
            for (int i = 0; i < start.Length; i++)
            {
                double sum = start[i] + bias[i % width];
                sum = i % width < normed ? RowCases.Rounded([sum], _rows.Type)[0] : sum;
                start[i] = forward[i] = sum;
            }

            bias = [];
        }

        for (int t = 0; t < _tokens; t++)
        {
            QkvEpilogue.ReferenceForward(_shape, forward.AsSpan(t * width, width), bias, query, key, epsilon, _ids[t], frequencies);
            QkvEpilogue.ReferenceBackward(
                _shape, start.AsSpan(t * width, width), bias, query, key, epsilon, _ids[t], frequencies, backward.AsSpan(t * width, width),
                [], gradQuery, gradKey);
        }

        var weights = Of(_weights, epsilon);
        bool saves = weights.QueryGain.Exists;
        float* inverse = saves ? (float*)_inverse.Address : null;
        Elements normInput = saves ? _normInput.Elements : default;
        QkvEpilogue.Forward(_device, _shape, _rows.Elements, weights, _positions.Pointer, _tokens, _table, normInput, inverse);
        RowCases.AssertClose(_rows, forward, ForwardBound, $"{what}: forward");

        QkvEpilogue.Backward(
            _device, _shape, _gradient.Elements, weights, Of(_gradients, 0), _positions.Pointer, _tokens, _table, normInput, inverse);
        RowCases.AssertClose(_gradient, backward, BackwardBound, $"{what}: backward");
        AssertGradient(1, gradQuery, $"{what}: query gain");
        AssertGradient(2, gradKey, $"{what}: key gain");

        // The bias sums what was stored, rounded as it is.
        double[] stored = _gradient.ReadWide();
        for (int i = 0; i < stored.Length && gradBias.Length > 0; i++)
        {
            gradBias[i % width] += stored[i];
        }

        AssertGradient(0, gradBias, $"{what}: bias");
    }

    public void Dispose()
    {
        _table.Dispose();
        _positions.Dispose();
        _rows.Dispose();
        _gradient.Dispose();
        _normInput.Dispose();
        _inverse.Dispose();
        foreach (var buffer in (DeviceBuffer?[])[.. _weights, .. _gradients])
        {
            buffer?.Dispose();
        }
    }

    private static double[] Wide(DeviceBuffer? buffer) => buffer?.ReadWide() ?? [];

    private static QkvWeights Of(DeviceBuffer?[] buffers, float epsilon) => new()
    {
        Bias = buffers[0]?.Elements ?? default,
        QueryGain = buffers[1]?.Elements ?? default,
        KeyGain = buffers[2]?.Elements ?? default,
        Epsilon = epsilon,
    };

    private void AssertGradient(int index, double[] expected, string what)
    {
        if (_gradients[index] is { } gradient)
        {
            RowCases.AssertClose(gradient, expected, BackwardBound, what);
        }
    }
}
