using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>A dense tensor that a sum of squares runs over.</summary>
/// <param name="Elements">First element, f32 or bf16.</param>
/// <param name="Count">Number of elements.</param>
public readonly record struct GradientTensor(Elements Elements, long Count);
